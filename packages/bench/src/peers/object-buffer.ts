import type { UploadLines } from './upload-lines.ts';

export interface ObjectBufferOptions {
  readonly upload: UploadLines;
  /** Events per object. */
  readonly size: number;
  /** Longest time that an event waits for others, in milliseconds. */
  readonly waitMs: number;
}

/**
 * Collects events into objects, for libraries that hand out jobs one by one. `add` resolves or rejects with the upload of
 * the object that contains the event.
 */
export function createObjectBuffer({ upload, size, waitMs }: ObjectBufferOptions) {
  let events: unknown[] = [];
  let uploaded = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;

  function send(): void {
    clearTimeout(timer);
    upload(events).then(uploaded.resolve, uploaded.reject);
    events = [];
    uploaded = Promise.withResolvers<void>();
  }

  return {
    add(event: unknown): Promise<void> {
      const { promise } = uploaded;
      if (events.push(event) === 1) timer = setTimeout(send, waitMs);
      if (events.length === size) send();
      return promise;
    },
  };
}
