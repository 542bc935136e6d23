import { createHash, createHmac } from 'node:crypto';

/** What requests to a bucket are signed with. */
export interface Credentials {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function encodePath(key: string): string {
  return key.split('/').map(encode).join('/');
}

export function canonicalQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
}

const emptyHash = createHash('sha256').digest('hex');

/** The headers of a GET, signed as S3 does (Signature Version 4), so that no package is needed. */
export function signedHeaders(source: Credentials, url: URL): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/${source.region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': emptyHash,
    'x-amz-date': time,
    ...(source.sessionToken !== null && { 'x-amz-security-token': source.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    ...['GET', url.pathname, url.search.slice(1)],
    ...names.map((name) => `${name}:${headers[name]}`),
    ...['', names.join(';'), emptyHash],
  ].join('\n');
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${source.secretAccessKey}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${source.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}
