import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';

/*
 * The health check of the api's image: exit code 0 when the api in this container is ready. It asks as the settings say: over TLS
 * with TLS_CERT_FILE, and at ADMIN_PORT where there is one. With TLS_CLIENT_CA_FILE alone it has no certificate to show, so it can
 * only find that the api answers at all.
 */

const { PORT = '4000', ADMIN_PORT, ADMIN_HOST, TLS_CERT_FILE, TLS_CLIENT_CA_FILE } = process.env;
const atAdmin = Boolean(ADMIN_PORT) && ADMIN_PORT !== '0';
const overTls = !atAdmin && Boolean(TLS_CERT_FILE);
const anyAddress = ['', '0.0.0.0', '::', undefined];
const place = {
  host: atAdmin && !anyAddress.includes(ADMIN_HOST) ? ADMIN_HOST : '127.0.0.1',
  port: atAdmin ? ADMIN_PORT : PORT,
  path: '/readyz',
};
const judge = (answer: IncomingMessage) => process.exit(answer.statusCode === 200 ? 0 : 1);
// The certificate is for the name that callers use.
const request = overTls ? getHttps({ ...place, rejectUnauthorized: false }, judge) : getHttp(place, judge);
request.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
  const wantsCertificate =
    Boolean(TLS_CLIENT_CA_FILE) && overTls && /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/.test(code);
  process.exit(wantsCertificate ? 0 : 1);
});
