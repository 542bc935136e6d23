import type { KeyUse } from '@auditbox/db/keys/change-keys.ts';
import type { KeyStore } from './key-store.ts';

const everyMs = 60_000;

/** Notes when keys were used. Requests only touch memory; one statement a minute stores all of it. */
export interface KeyUses {
  note(rowId: string, address: string): void;
  /** Stores what was noted. Never throws: the time of use is not worth an error. */
  flush(): Promise<void>;
  stop(): void;
}

export function createKeyUses({ noteUse }: Pick<KeyStore, 'noteUse'>, onError: (error: unknown) => void): KeyUses {
  let uses = new Map<string, { at: number; address: string }>();

  async function flush(): Promise<void> {
    if (uses.size === 0) return;
    const noted = uses;
    uses = new Map();
    const rows = Array.from(
      noted,
      ([id, { at, address }]): KeyUse => ({ id, at: new Date(at).toISOString(), address }),
    );
    await noteUse(rows).catch(onError);
  }

  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();
  return {
    note(rowId, address) {
      uses.set(rowId, { at: Date.now(), address });
    },
    flush,
    stop: () => clearInterval(timer),
  };
}
