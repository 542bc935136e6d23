import axe, { type RunOnly } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const levels = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** A theme changes colours alone, so the other rules run once. */
const colourRules = ['color-contrast', 'link-in-text-block'];

/** axe finds nothing in both themes. */
export async function expectAccessible(page: Page): Promise<void> {
  expect(await findViolations(page, { type: 'tag', values: levels })).toEqual([]);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await findViolations(page, { type: 'rule', values: colourRules })).toEqual([]);
  await page.emulateMedia({ colorScheme: 'light' });
}

async function findViolations(page: Page, runOnly: RunOnly): Promise<string[]> {
  // By the debugger's way in, because the page's policy lets no script be added.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(
    (options) => (globalThis as unknown as { axe: typeof axe }).axe.run(document, options),
    { runOnly, resultTypes: ['violations' as const] },
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}
