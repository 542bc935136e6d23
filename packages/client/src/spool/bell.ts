/** Wakes one loop. A ring since `clear` is not missed. */
export interface Bell {
  clear(): void;
  wait(): Promise<void>;
  ring(): void;
}

export function createBell(): Bell {
  let hasRung = false;
  let wake = () => {};
  return {
    clear() {
      hasRung = false;
    },
    wait: () =>
      new Promise((resolve) => {
        if (hasRung) resolve();
        else wake = resolve;
      }),
    ring() {
      hasRung = true;
      wake();
    },
  };
}
