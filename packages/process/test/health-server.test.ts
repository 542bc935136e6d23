import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { serveHealth } from '../src/health-server.ts';

const health = {
  alive: () => true,
  ready: async () => null,
  metrics: { text: async () => '', contentType: 'text/plain' },
};

test('a network that holds many connections of the health server leaves it to others', async () => {
  const { port, close } = await serveHealth(health, '127.0.0.1', 0);
  const held = Array.from({ length: 300 }, () =>
    connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }).on('error', () => {}),
  );
  await expect.poll(() => held.filter(({ destroyed }) => destroyed).length).toBe(250);
  const [answer] = await once(get({ port, path: '/livez', localAddress: '127.0.0.3', agent: false }), 'response');
  expect(answer.statusCode).toBe(200);
  for (const socket of held) socket.destroy();
  close();
});
