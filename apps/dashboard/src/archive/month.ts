/* A month of the archive as text: `2026-07`. All in UTC, as the folders of the archive. */

const monthForm = /^\d{4}-(0[1-9]|1[0-2])$/;

export function currentMonth(): string {
  return new Date().toISOString().slice(0, 7);
}

/** The month of an address, or the current one. */
export function readMonth(text: string | null): string {
  return text !== null && monthForm.test(text) && text <= currentMonth() ? text : currentMonth();
}

/** In milliseconds since 1970. The end is where the next month begins. */
export function monthEnds(month: string): { readonly from: number; readonly to: number } {
  return { from: Date.parse(`${month}-01T00:00:00Z`), to: Date.parse(`${moveMonth(month, 1)}-01T00:00:00Z`) };
}

export function moveMonth(month: string, by: number): string {
  const at = new Date(`${month}-01T00:00:00Z`);
  at.setUTCMonth(at.getUTCMonth() + by);
  return at.toISOString().slice(0, 7);
}
