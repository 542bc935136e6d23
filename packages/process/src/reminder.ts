/** A state that lasts is logged again after this long, for a person who missed the first line. */
const remindEveryMs = 3_600_000;

/** When a state that lasts is logged: at its beginning, when its cause changes, and every hour. */
export interface Reminder {
  /** Whether the state must be logged now. The caller then logs it. */
  isDue(cause: string): boolean;
  /** The state is over. */
  end(): void;
}

export function createReminder(): Reminder {
  let known: string | null = null;
  let loggedAt = 0;
  return {
    isDue(cause) {
      const now = performance.now();
      if (cause === known && now - loggedAt < remindEveryMs) return false;
      known = cause;
      loggedAt = now;
      return true;
    },
    end() {
      known = null;
    },
  };
}
