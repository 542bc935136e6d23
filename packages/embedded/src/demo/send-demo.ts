import { demoEvents } from './demo-events.ts';

/** Sends the example events. Sent before, they are only counted: their ids are the same. */
export async function sendDemo(apiUrl: string, key: string): Promise<{ readonly created: number }> {
  let created = 0;
  const events = demoEvents(Date.now());
  for (let from = 0; from < events.length; from += 1_000) {
    // Events that changed since are left out: the beginning of the week moves, and with it what existed at a time.
    const response = await fetch(`${apiUrl}/audit/batch?partial=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(events.slice(from, from + 1_000)),
    });
    if (!response.ok)
      throw new Error(`The example events were not stored: ${response.status} ${await response.text()}`);
    created += ((await response.json()) as { created: number }).created;
  }
  return { created };
}
