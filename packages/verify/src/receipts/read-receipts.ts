import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkReceipt, parseReceipts, type ReceiptedEvent } from '../../../evidence/src/receipt.ts';
import type { VerifierKey } from '../../../evidence/src/signed-note.ts';
import { ArchiveError } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';

/** Where receipts are, and what is asked of them. */
export interface ReceiptRequest {
  /** A file, or a folder of files. */
  readonly path: string;
  /** Several after a change of the key. */
  readonly keys: readonly VerifierKey[];
  /** How long after an event the log may name it. */
  readonly delayMs: number;
}

/** The receipts whose signature holds, and what is wrong with the others. */
export interface ReadReceipts extends Pick<ReceiptRequest, 'delayMs'> {
  readonly events: readonly ReceiptedEvent[];
  readonly findings: readonly Finding[];
}

/** Reads receipts and checks the signature and the path of each. Throws ArchiveError without receipts, and when they cannot be read. */
export async function readReceipts({ path, keys, delayMs }: ReceiptRequest): Promise<ReadReceipts> {
  const events: ReceiptedEvent[] = [];
  const findings: Finding[] = [];
  for (const file of await listFiles(path)) {
    for (const [index, receipt] of parseReceipts(await readText(file)).entries()) {
      const name = `${file}, receipt ${index + 1}`;
      if (receipt === null) {
        findings.push(broken('receipt-malformed', name, 'It is not a receipt.'));
        continue;
      }
      const verdict = checkReceipt(receipt, keys);
      if (verdict.kind === 'broken') findings.push(broken('receipt-signature', name, verdict.reason));
      else events.push(...receipt.events);
    }
  }
  if (events.length === 0 && findings.length === 0) throw new ArchiveError(`There are no receipts in ${path}.`);
  return { events, findings, delayMs };
}

async function listFiles(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => join(path, name))
      .sort();
  } catch (error) {
    throw new ArchiveError(`The receipts in ${path} cannot be read: ${(error as Error).message}.`);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ArchiveError(`The receipts in ${file} cannot be read: ${(error as Error).message}.`);
  }
}
