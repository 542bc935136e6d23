import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import phrases from './banned-phrases.json' with { type: 'json' };

/*
 * `node packages/tooling/banned-phrases.ts [path …]` finds phrases that make this project's texts hard to read. It scans
 * the comments, strings and documents below the paths (default: the working directory) and exits with 1 if it finds any.
 */

const scanned = /\.(ts|sql|md|ya?ml|sh)$|(^|\/)dashboards\/[^/]+\.json$/;
/** Files that a program wrote; their texts come from files that are scanned. */
const generated = /(^|\/)(schema\.sql|api-types\.ts|results\/[^/]+)$/;

const rules = phrases.map(({ pattern, reason, instead }) => ({ matcher: toMatcher(pattern), reason, instead }));

const files = listFiles(process.argv.slice(2)).filter((file) => scanned.test(file) && !generated.test(file));
const findings = files.flatMap((file) => scan(file, readFileSync(file, 'utf8')));
for (const finding of findings) process.stdout.write(`${finding}\n`);
if (findings.length > 0) process.exitCode = 1;

/** Tracked files and new files that git does not ignore. */
function listFiles(paths: readonly string[]): string[] {
  const list = (...options: string[]) =>
    execFileSync('git', ['ls-files', '-z', ...options, '--', ...paths], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
      .split('\0')
      .filter((file) => file !== '');
  const deleted = new Set(list('--deleted'));
  return [...new Set(list('--cached', '--others', '--exclude-standard'))].filter((file) => !deleted.has(file));
}

/**
 * Whole words, in any case. Also matches a phrase that continues on the next line of a comment. Code needs no special
 * treatment: none of the phrases is valid code.
 */
function toMatcher(pattern: string): RegExp {
  const gap = String.raw`(?:[ \t]|\r?\n[ \t]*(?:\*|//|--|#|>)?)+`;
  return new RegExp(`(?<![\\w-])${pattern.replaceAll(' ', gap)}(?![\\w-])`, 'gi');
}

function scan(file: string, text: string): string[] {
  const found = rules.flatMap(({ matcher, reason, instead }) =>
    [...text.matchAll(matcher)].map(({ 0: phrase, index }) => {
      const line = text.slice(0, index).split('\n').length;
      const shown = phrase.replace(/\s+(\*|\/\/|--|#|>)?\s*/g, ' ');
      return { line, message: `${file}:${line}: "${shown}". ${reason} Write ${instead}.` };
    }),
  );
  return found.sort((a, b) => a.line - b.line).map(({ message }) => message);
}
