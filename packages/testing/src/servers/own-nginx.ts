import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '../expectations/eventually.ts';
import { spawnProgram } from './spawn-app.ts';

/** Whether a test can have an nginx: `apt-get install nginx-light`. */
export const hasNginx = spawnSync('nginx', ['-v']).status === 0;

/** How it is configured: as docs/operate.md says, or with `proxy_pass` alone, by which nginx asks the api over HTTP/1.0. */
export type NginxForm = 'documented' | 'stock';

export interface OwnNginx {
  /** With the path that it puts in front of the api. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts an nginx in front of an api, at the port if one is given. The api need not run yet. */
export async function startNginx(apiUrl: string, form: NginxForm, port?: number): Promise<OwnNginx> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-nginx-'));
  const own = port ?? (await findFreePort());
  await writeFile(join(folder, 'nginx.conf'), await configure(folder, own, new URL(apiUrl).port, form));
  const nginx = spawnProgram('nginx', ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], { env: {} });
  const url = `http://127.0.0.1:${own}/auditbox`;
  await eventually(() => fetch(url));
  return {
    url,
    async close() {
      nginx.signal('SIGTERM');
      await nginx.ended;
      await rm(folder, { recursive: true });
    },
  };
}

async function configure(folder: string, port: number, apiPort: string, form: NginxForm): Promise<string> {
  const { upstream, location } = await readDocumented(apiPort);
  // The version of HTTP is said, because newer versions of nginx have another default.
  const stock = `location /auditbox/ { proxy_pass http://127.0.0.1:${apiPort}/; proxy_http_version 1.0; }`;
  return `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  ${form === 'documented' ? upstream : ''}
  server {
    listen 127.0.0.1:${port};
    ${form === 'documented' ? location : stock}
    location / { return 404; }
  }
}
`;
}

/** The blocks of the document, with our port. */
async function readDocumented(apiPort: string): Promise<{ upstream: string; location: string }> {
  const text = await readFile(new URL('../../../../docs/operate.md', import.meta.url), 'utf8');
  const block = /```nginx\n(.*?)```/s.exec(text)?.[1] ?? '';
  const at = block.indexOf('location ');
  return { upstream: block.slice(0, at).replace('127.0.0.1:4000', `127.0.0.1:${apiPort}`), location: block.slice(at) };
}
