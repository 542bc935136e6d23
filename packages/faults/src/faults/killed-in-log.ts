import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { logCrashPoints } from '@auditbox/process/crash-point.ts';
import { checkLog } from '../oracle/check-log.ts';
import { BrokenPromise, type Fault } from './fault.ts';
import { killAt } from './kill-at.ts';
import { waitFor } from './wait-for.ts';

const logOrigin = 'faults.example/log';
const logKeyFile = join(mkdtempSync(join(tmpdir(), 'auditbox-faults-')), 'log-key.pem');
const logKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
writeFileSync(logKeyFile, logKey, { mode: 0o600 });

/** What an auditor's command sees afterwards decides. */
export const killedInLog: Fault = {
  name: 'exporter-killed-in-log',
  about: 'exporters killed while they number, sign and publish the log of batches',
  settings: { EXPORT_LOG_ORIGIN: logOrigin, EXPORT_LOG_KEY_FILE: logKeyFile, EXPORT_LOG_INTERVAL_MS: '200' },
  async strike(strike) {
    const { scene, random } = strike;
    await killAt(strike, 'exporters', random.pick(logCrashPoints));
    const [{ size }] = await scene.db.sql<[{ size: string }]>`select size from auditbox.log_head`;
    await waitFor(scene.db.sql, (sql) => sql`select from auditbox.log_head where published_size > ${size}`);
    // Each cell has its own log.
    const origin = scene.name === '' ? logOrigin : `${logOrigin}/${scene.name}`;
    const problems = await checkLog(scene, formatVerifierKey(createKeySigner(origin, logKey).key));
    if (problems.length > 0) throw new BrokenPromise(`The log is broken: ${problems.join('; ')}`);
  },
};
