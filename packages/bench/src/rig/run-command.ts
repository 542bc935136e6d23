import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** What a command printed and used. */
export interface CommandRun {
  readonly output: string;
  readonly s: number;
  readonly cpuS: number;
  readonly peakMb: number;
}

interface CommandPlan {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node. */
  readonly nodeArguments?: readonly string[];
}

/** Prints what the process used, at its end. The peak is the program's, unlike `maxRSS`, which begins with that of this process. */
const preload =
  "data:text/javascript,import{isMainThread}from'node:worker_threads';import{readFileSync}from'node:fs';" +
  "isMainThread&&process.on('exit',()=>{const{userCPUTime,systemCPUTime}=process.resourceUsage();" +
  "const[,kb]=/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status','utf8'));" +
  'console.error(JSON.stringify({cpuS:(userCPUTime+systemCPUTime)/1e6,peakMb:kb*1024/1e6}))})';

/** Runs a program to its end. Throws if its exit code is not 0. */
export async function runCommand({ program, args, env, nodeArguments = [] }: CommandPlan): Promise<CommandRun> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeArguments, '--import', preload, program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(env && { env }),
  });
  const [[code], output, errors] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  const s = (performance.now() - startedAt) / 1_000;
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}${errors}`);
  return { output, s, ...(JSON.parse(errors.trim().split('\n').at(-1) ?? '') as { cpuS: number; peakMb: number }) };
}
