import { counted } from '@auditbox/core/text/counted.ts';

/** What the README of an evidence pack says: for a lawyer, and for the engineer that a lawyer asks. */
export function readmeText(facts: {
  readonly selection: string;
  readonly events: number;
  readonly unlogged: number;
  readonly origin: string;
  readonly size: number;
  readonly key: string;
}): string {
  const { selection, events, unlogged, origin, size, key } = facts;
  return `EVIDENCE PACK

This folder holds ${counted(events, 'audit event')}: ${selection}.
${unlogged === 0 ? 'No other recorded event was selected.' : `${counted(unlogged, 'more event was selected and is', 'more events were selected and are')} not in the signed log yet, and not here.`}

What each file is

  events/NAME.json         one event, byte for byte as it was archived
  proofs/NAME.tlog-proof   the proof that this event is in the signed log of the archive
  checkpoint.txt           the signed statement about the whole log: its name, its number of batches, its root
  key.txt                  the public key that verifies the signature

What it shows

Each archived batch of events has a number in an append-only log, and the log is signed with a private key that this folder does
not contain. If the check below holds, then the text of each event was in the log ${origin} when it had
${counted(size, 'batch', 'batches')}. Nobody can change a letter of an event, or make a proof for another event, without that private key.

How to check it

Any engineer can do it, on a machine without network. It needs Node 24 and the program "verify-archive" of Auditbox:

  npm run verify-archive -- --pack THIS_FOLDER --key '${key}'

Get the key from the owner of the log on another way than this folder. It must be the same as in key.txt. The program prints HOLDS
or BROKEN for each event. The formats are public: C2SP tlog-proof, tlog-checkpoint and signed-note, and RFC 6962.

What it does not show

- that the events are true, or that no event was left out before it was archived;
- that this folder holds all events of the selection: compare it with the archive for that;
- that the archive still holds the events today;
- when exactly an event happened. The log was signed after the event was recorded, not before.
`;
}
