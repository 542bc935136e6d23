import { fileURLToPath } from 'node:url';
import { type RequestHandler, Router } from 'express';
import helmet from 'helmet';

const ours = fileURLToPath(new URL('../reference/', import.meta.url));
const renderer = fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')));

/** By name: what else the package holds is not served. */
const files = {
  '/': [ours, 'page.html'],
  '/start.js': [ours, 'start.js'],
  '/swagger-ui.css': [renderer, 'swagger-ui.css'],
  '/swagger-ui-bundle.js': [renderer, 'swagger-ui-bundle.js'],
  '/favicon-32x32.png': [renderer, 'favicon-32x32.png'],
} as const;

/** What the page needs: scripts, styles and answers of this api, and the pictures that its styles carry within. */
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

/** `GET /docs` and its files: the reference for people, which asks nothing of any other server. */
export function referencePage(): RequestHandler {
  const router = Router();
  router.use(pagePolicy);
  for (const [path, [root, name]] of Object.entries(files)) {
    router.get(path, (_request, response) => response.sendFile(name, { root }));
  }
  return router;
}
