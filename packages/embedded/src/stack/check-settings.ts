import { readApiSettings } from '../../../../apps/api/src/settings.ts';
import { readExporterSettings } from '../../../../apps/exporter/src/settings.ts';
import { apiService, exporterService, type StackPlan } from './services.ts';

/** Throws one error with every wrong setting of both processes, before any of them is started. */
export function checkSettings(plan: StackPlan): void {
  const messages = [
    catchMessage(() => readApiSettings(apiService(plan).options.env ?? {})),
    catchMessage(() => readExporterSettings(exporterService(plan).options.env ?? {})),
  ];
  // Both read the settings that they share.
  const lines = new Set(messages.flatMap((message) => message?.split('\n') ?? []));
  if (lines.size > 0) throw new Error([...lines].join('\n'));
}

function catchMessage(read: () => unknown): string | null {
  try {
    read();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
