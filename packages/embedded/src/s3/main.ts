import net from 'node:net';
import { startFauxqs } from 'fauxqs';

/*
 * The embedded object store: `node main.ts PORT FOLDER BUCKET`. Objects are plain files. It accepts any credentials and
 * overwrites existing objects. Use it to try Auditbox out, not to keep evidence.
 */

const [port, folder, bucket] = process.argv.slice(2);
if (!port || !folder || !bucket) throw new Error('usage: node main.ts PORT FOLDER BUCKET');

// The library listens on all interfaces. A store without credentials must not be reachable from other machines.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]) {
  const [first, ...rest] = args;
  const onLoopback = typeof first === 'object' && first !== null ? { ...first, host: '127.0.0.1' } : first;
  return Reflect.apply(listen, this, [onLoopback, ...rest]) as net.Server;
};

const server = await startFauxqs({
  port: Number(port),
  s3StorageDir: folder,
  logger: false,
  init: { buckets: [bucket] },
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void server.stop().finally(() => process.exit(0)));
}
process.stdout.write(`The embedded store listens on 127.0.0.1:${server.port}.\n`);
