import { redactionFunctions } from './redaction-functions.ts';

/* Prints the statements for a migration. */
process.stdout.write(`${redactionFunctions.join(';\n--> statement-breakpoint\n')};\n`);
