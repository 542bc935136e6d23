import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { defineConfig } from 'vitepress';

/*
 * The site of the documentation, from docs/. `npm run docs:build` makes it in docs/.vitepress/dist. A link that leads nowhere fails the
 * build. With REPOSITORY_URL, links to files outside of docs/ lead there; without it they are plain text.
 */

const repository = process.env.REPOSITORY_URL?.replace(/\/$/, '');
const index = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
/** The pages below each heading of docs/README.md. */
const groups = index
  .split(/^## /m)
  .slice(1)
  .map((chapter) => ({
    text: /^.*/.exec(chapter)?.[0] ?? '',
    items: [...chapter.matchAll(/^\| \[([^\]]+)\]\(([^)]+\.md)\) \|/gm)].map(([, text = '', file = '']) => ({
      text,
      link: `/${file.replace(/README\.md$/, '').replace(/\.md$/, '')}`,
    })),
  }));

interface LinkToken {
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}

/** Makes a link to a file outside of docs/ lead to the repository. False: there is no address for it. */
function redirect(token: LinkToken, folder: string): boolean {
  const target = token.attrGet('href') ?? '';
  const path = posix.normalize(posix.join('docs', folder, target));
  if (/^[a-z]+:|^#|^\//.test(target) || (path.startsWith('docs/') && !/\.ini$/.test(path))) return true;
  if (repository !== undefined) token.attrSet('href', `${repository}/${path}`);
  return repository !== undefined;
}

export default defineConfig({
  title: 'Auditbox',
  description: 'A durable audit log service',
  rewrites: { 'README.md': 'index.md', 'decisions/README.md': 'decisions/index.md' },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [{ text: 'All pages', link: '/' }, ...groups],
    docFooter: { prev: false, next: false },
  },
  // They are addresses of a system that the reader runs.
  ignoreDeadLinks: [/^http:\/\/(localhost|127\.0\.0\.1)/],
  vite: { build: { chunkSizeWarningLimit: 2_000 } },
  markdown: {
    config(md) {
      md.core.ruler.push('files-outside', ({ tokens, env }) => {
        const folder = posix.dirname((env as { path: string }).path.split('/docs/').at(-1) ?? '');
        for (const { children } of tokens) {
          const ends: string[] = [];
          for (const token of children ?? []) {
            if (token.type === 'link_open') ends.push(redirect(token, folder) ? 'link' : 'text');
            if (token.type === 'link_open' && ends.at(-1) === 'text')
              Object.assign(token, { type: 'html_inline', content: '<span>' });
            if (token.type === 'link_close' && ends.pop() === 'text')
              Object.assign(token, { type: 'html_inline', content: '</span>' });
          }
        }
      });
    },
  },
});
