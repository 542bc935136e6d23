import { CallError, callJson } from '../http/call.ts';
import { type Caller, readCaller } from './session.ts';

/** Who a key is. Throws CallError. */
export async function loadCaller(key: string): Promise<Caller> {
  const caller = readCaller(await callJson<unknown>('/me', { key }));
  if (caller !== null) return caller;
  throw new CallError(-1, {
    title: 'Error',
    detail: 'The answer does not say who this key is. Is a proxy between this page and the api?',
  });
}
