import { parseCommand } from './cli.ts';
import { installPeers } from './install-peers.ts';

/*
 * `npm run bench`. `npm ci` does not install the alternatives that it measures, so the modules that need them are loaded later.
 */

const command = parseCommand(process.argv.slice(2));
installPeers();
const { runBenchmarks } = await import('./run-benchmarks.ts');
await runBenchmarks(command);
