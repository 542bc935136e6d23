import { prettyFactory } from 'pino-pretty';

/** Prints the lines of all services, each after the name of its service. JSON of the apps is made readable. */
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
