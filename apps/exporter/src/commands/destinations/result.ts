/** What a command did: lines for people, one object for programs, and the exit code. */
export interface CommandResult {
  readonly lines: readonly string[];
  readonly json: object;
  readonly exitCode: number;
}

export function success(line: string, json: object): CommandResult {
  return { lines: [line], json: { ok: true, ...json }, exitCode: 0 };
}

export function failure(line: string, json: object = {}): CommandResult {
  return { lines: [line], json: { ok: false, problem: line, ...json }, exitCode: 1 };
}

/** It was told to stop before its end. */
export function stopped(line: string): CommandResult {
  return { lines: [line], json: { ok: false, problem: line }, exitCode: 2 };
}
