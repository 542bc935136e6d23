import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** A code block of a document. */
export interface CodeBlock {
  readonly document: string;
  readonly line: number;
  readonly language: string;
  /** The word behind the language: `excerpt` is not run as it is, `duckdb` is SQL for DuckDB. */
  readonly kind: string;
  readonly text: string;
}

/** All documents that a user or a contributor reads. */
export const documents = globSync(
  ['*.md', 'docs/**/*.md', 'examples/**/*.md', '{apps,packages}/*/*.md', '{apps,packages}/*/src/**/*.md'],
  { cwd: root, exclude: (path) => path.includes('node_modules') },
).sort();

/** The blocks of all documents. A block that a list indents loses the indentation. */
export const codeBlocks: readonly CodeBlock[] = documents.flatMap((document) => {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/^( *)```([^\n]*)\n(.*?)^ *```$/gms)].map((match) => {
    const [, indent = '', info = '', body = ''] = match;
    const [language = '', kind = ''] = info.trim().split(' ');
    const line = text.slice(0, match.index).split('\n').length;
    return { document, line, language, kind, text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), '') };
  });
});

/** The blocks of a language, as arguments of `test.each`. */
export function blocksOf(language: string, kinds: readonly string[] = ['']) {
  return codeBlocks
    .filter((block) => block.language === language && kinds.includes(block.kind))
    .map((block) => [`${block.document}:${block.line}`, block] as const);
}
