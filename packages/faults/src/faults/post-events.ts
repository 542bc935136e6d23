import type { WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { masterKey, type Scene } from '../scene/scene.ts';
import { BrokenPromise } from './fault.ts';

/** Posts events, each in a request. */
export async function postEvents(scene: Scene, events: readonly WireEvent[]): Promise<void> {
  for (const event of events) {
    const [api] = scene.apis.members;
    const answer = await fetch(`http://127.0.0.1:${await api?.port}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    if (!answer.ok) throw new BrokenPromise(`The api rejected the event: ${await answer.text()}`);
  }
}
