export * from './destination.ts';
