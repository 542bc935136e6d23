import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type RequestHandler, Router } from 'express';
import helmet from 'helmet';
import { serveFile } from '../http/serve-file.ts';

const ownFiles = fileURLToPath(new URL('../reference/', import.meta.url));
const swaggerFiles = fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')));

/** Named one by one: other files of the package are not served. */
const files = {
  '/swagger-ui.css': [swaggerFiles, 'swagger-ui.css'],
  '/swagger-ui-bundle.js': [swaggerFiles, 'swagger-ui-bundle.js'],
  '/favicon-32x32.png': [swaggerFiles, 'favicon-32x32.png'],
} as const;

/** The page needs scripts, styles and JSON of this api, and the pictures inside its styles. */
const pagePolicy = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
    'img-src': ["'self'", 'data:'],
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  },
});

/** `GET /openapi.json` for programs, and `GET /docs` for people. The page loads nothing from any other server. */
export function referencePages(document: object, pathPrefix: string): RequestHandler {
  // Buffers are shared by all answers. A text would be copied for each caller that does not read its answer.
  const json = Buffer.from(JSON.stringify(document));
  const pages = Router();
  pages.use(pagePolicy);
  const read = (name: string) =>
    Buffer.from(
      readFileSync(`${ownFiles}${name}`, 'utf8').replaceAll(/(["'])\/(?=docs\/|openapi)/g, `$1${pathPrefix}/`),
    );
  const [page, start] = [read('page.html'), read('start.js')];
  pages.get('/', (_request, response) => response.type('html').send(page));
  pages.get('/start.js', (_request, response) => response.type('js').send(start));
  for (const [path, [root, name]] of Object.entries(files)) pages.get(path, serveFile(`${root}${name}`));
  const router = Router();
  router.get('/openapi.json', (_request, response) => response.type('json').send(json));
  router.use('/docs', pages);
  return router;
}
