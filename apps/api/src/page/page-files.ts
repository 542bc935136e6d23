import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type RequestHandler, Router } from 'express';
import helmet from 'helmet';
import { HttpProblem } from '../http/problem.ts';
import { serveFile } from '../http/serve-file.ts';
import type { OidcSettings } from '../oidc/oidc-settings.ts';

/** What `apps/dashboard/build.ts` wrote. */
const builtFiles = fileURLToPath(new URL('../../../dashboard/dist/', import.meta.url));

/**
 * The page runs its own files and calls this api, and the issuer if people sign in there. Nothing else: no inline script, no
 * style element, no frame around it.
 */
const pagePolicy = (issuer: string | null) =>
  helmet.contentSecurityPolicy({
    useDefaults: false,
    directives: {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'connect-src': ["'self'", ...(issuer === null ? [] : [new URL(issuer).origin])],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
      'require-trusted-types-for': ["'script'"],
    },
  });

/**
 * `/ui`: the page for people. It needs no key, because it holds no data: it asks for a key and calls the routes with it. Each
 * address of a screen answers with the same document. `folder` is for tests.
 */
export function pageFiles(pathPrefix: string, oidc: OidcSettings | null, folder = builtFiles): RequestHandler {
  const router = Router();
  const index = `${folder}index.html`;
  if (!existsSync(index)) {
    return router.use('/ui', () => {
      throw new HttpProblem(404, 'The page is not built. Run `npm run build:page`, then start the api again.');
    });
  }
  const document = readFileSync(index, 'utf8')
    .replaceAll('"./assets/', `"${pathPrefix}/ui/assets/`)
    .replace('data-prefix=""', `data-prefix="${pathPrefix}"`)
    .replace('data-program=""', `data-program="${process.env.AUDITBOX_COMMAND ?? ''}"`)
    .replace('data-sign-in=""', () => `data-sign-in="${describeSignIn(oidc)}"`);
  // Shared by all answers, also by those that nobody reads.
  const bytes = Buffer.from(document);
  router.use('/ui', pagePolicy(oidc?.page ? oidc.issuer : null));
  const assets = new Map(
    readdirSync(`${folder}assets`).map((name) => [`/${name}`, serveFile(`${folder}assets/${name}`)]),
  );
  router.use('/ui/assets', (request, response, next) => {
    const serve = ['GET', 'HEAD'].includes(request.method) ? assets.get(request.path) : undefined;
    if (serve === undefined) throw new HttpProblem(404, `There is nothing at ${request.originalUrl}.`);
    return serve(request, response, next);
  });
  router.get(/^\/ui(\/.*)?$/, (request, response) => {
    if (!request.accepts('html')) throw new HttpProblem(406, 'This address is a page for people. It is HTML.');
    response.type('html').send(bytes);
  });
  return router;
}

/** Where people sign in, as JSON in an attribute. Nothing of it is secret. Empty: with a key alone. */
function describeSignIn(oidc: OidcSettings | null): string {
  if (!oidc?.page) return '';
  const text = JSON.stringify({ issuer: oidc.issuer, ...oidc.page });
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
