import { prettyFactory } from 'pino-pretty';

/** Prints lines of all services in one form: the apps' JSON unfolded, others as they are behind their service's name. */
export function createLinePrinter(
  write: (text: string) => void,
  colorize: boolean,
): (service: string, line: string) => void {
  const pretty = prettyFactory({ colorize, singleLine: true, ignore: 'service', translateTime: 'SYS:HH:MM:ss.l' });
  return (service, line) => {
    const label = service.padEnd(8);
    const shown = line.startsWith('{') ? (pretty(line) ?? line) : line;
    write(`${label} │ ${shown.trimEnd().replaceAll('\n', `\n${label} │ `)}\n`);
  };
}
