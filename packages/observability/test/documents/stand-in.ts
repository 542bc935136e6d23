import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { copyObjects, openTestBucket } from '@auditbox/testing/servers/bucket.ts';
import { parse } from 'yaml';
import { root } from './code-blocks.ts';

/*
 * Stands in the PATH for the programs of the documents' commands. A command of Auditbox runs as it is. A process that runs for
 * ever is stopped, as by Ctrl-C, once it works. What takes minutes or needs a container engine is compared with the scripts,
 * flags, images and services that there are.
 */

/** What a process that runs for ever logs once it works. */
const working = /"event":"(api-listening|exporter-running|log-running)"/;

/** What the arguments of `docker run` after each image follow. */
const images: Readonly<Record<string, readonly string[]>> = { 'auditbox-api': [], 'auditbox-exporter': ['exporter'] };

const [program, ...args] = process.argv.slice(2);
process.exitCode = await runProgram(program ?? '', args);

function runProgram(name: string, given: readonly string[]): number | Promise<number> {
  switch (name) {
    case 'npm':
      return npm(given);
    case 'docker':
      return docker(given);
    case 'aws':
      return syncBucket(given);
    default:
      return refuse(`The documents have a command that this test does not know: ${name}`);
  }
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(99);
}

function npm([verb = '', ...rest]: readonly string[]): number | Promise<number> {
  if (verb === 'ci') return 0;
  const [name = '', ...more] = verb === 'run' ? rest : [verb, ...rest];
  const flags = more[0] === '--' ? more.slice(1) : more;
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const script = scripts[name] ?? refuse(`There is no script ${name}.`);
  const [file = '', ...first] = /([\w/.-]+\.ts)(.*)$/.exec(script)?.slice(1).join('').split(' ').filter(Boolean) ?? [];
  if (name === 'test') return checkTestFiles(flags);
  if (['start', 'bench', 'test:faults'].includes(name)) return checkFlags([file, ...first], flags);
  if (!/^packages\/(cli|verify)\//.test(file)) return 0;
  return runCommand(name, [join(root, file), ...first, ...flags]);
}

function checkTestFiles(flags: readonly string[]): number {
  const missing = flags.filter((flag) => flag.endsWith('.ts') && !existsSync(join(root, flag)));
  return missing.length === 0 ? 0 : refuse(`There is no ${missing.join(', ')}.`);
}

function checkFlags(command: readonly string[], flags: readonly string[]): number {
  const [file = '', ...first] = command;
  const help = execFileSync(process.execPath, [join(root, file), ...first, '--help'], { encoding: 'utf8' });
  const unknown = flags.filter((flag) => flag.startsWith('--') && !new RegExp(`${flag}\\b`).test(help));
  return unknown.length === 0 ? 0 : refuse(`${command.join(' ')} has no ${unknown.join(', ')}.`);
}

/** 0 too for what is right about the store of `npm start`, and for a log that does not name the newest objects yet. */
async function runCommand(name: string, command: readonly string[]): Promise<number> {
  const { code, output } = await run(command);
  if (name === 'verify-archive' && code === 2) return 0;
  const onlyIgnoresIfNoneMatch = /^fail +create only: /m.test(output) && /, 1 fail$/m.test(output);
  return command.includes('--check') && onlyIgnoresIfNoneMatch ? 0 : code;
}

async function run(command: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let isStopped = false;
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    process.stdout.write(data);
    output += data;
    if (isStopped || !working.test(data.toString())) return;
    isStopped = child.kill('SIGINT');
  });
  const [code, signal] = await once(child, 'close');
  return { code: signal === null ? code : 98, output };
}

function docker([verb = '', ...rest]: readonly string[]): number {
  if (verb === 'build') {
    const file = rest[rest.indexOf('-f') + 1] ?? '';
    return existsSync(join(root, file)) ? 0 : refuse(`There is no ${file}.`);
  }
  if (verb === 'run') {
    const at = rest.findIndex((word) => word in images);
    if (at === -1) refuse(`docker run names none of ${Object.keys(images).join(', ')}.`);
    return checkInContainer(images[rest[at] as string] as readonly string[], rest.slice(at + 1));
  }
  if (verb !== 'compose') refuse(`docker ${verb} is not known to this test.`);
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as { services: object };
  const at = rest.findIndex((word) => word === 'exec' || word === 'run');
  if (at === -1) return 0;
  const [service = '', ...command] = rest.slice(at + 1).filter((word) => word !== '--rm');
  if (!(service in services)) refuse(`docker-compose.yml has no service ${service}.`);
  return checkInContainer(service === 'one-off' ? ['exporter'] : [], command);
}

function checkInContainer(first: readonly string[], given: readonly string[]): number {
  const command = given[0] === 'auditbox' ? given.slice(1) : [...first, ...given];
  if (command.length <= first.length) return 0;
  const words = command.filter((word) => !word.startsWith('--')).slice(0, 1);
  return checkFlags(['packages/cli/src/main.ts', ...words], command);
}

/** `aws s3 sync s3://bucket/prefix/ folder/` of the store of the test. */
async function syncBucket(given: readonly string[]): Promise<number> {
  const [service, verb, from = '', to = ''] = given;
  const [, prefix = ''] = /^s3:\/\/[^/]+\/(.*)$/.exec(from) ?? [];
  if (service !== 's3' || verb !== 'sync') refuse(`aws ${given.join(' ')} is not known to this test.`);
  const { S3_ENDPOINT = '', S3_BUCKET = '' } = process.env;
  await copyObjects(openTestBucket(S3_ENDPOINT, S3_BUCKET), prefix, resolve(to));
  return 0;
}
