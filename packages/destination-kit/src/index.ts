export * from './conformance.ts';
export * from './destination.ts';
