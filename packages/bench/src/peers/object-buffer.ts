import type { UploadLines } from './upload-lines.ts';

export interface ObjectBufferOptions {
  readonly upload: UploadLines;
  /** How many events make an object. */
  readonly size: number;
  /** How long an event waits at most for others, in milliseconds. */
  readonly waitMs: number;
}

/**
 * For libraries that hand out jobs one by one: gathers events into objects. `add` settles as the upload of the object
 * that the event went into does.
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
