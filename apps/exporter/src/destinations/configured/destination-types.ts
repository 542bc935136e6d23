import { webhook } from '../webhook/webhook.ts';
import type { DestinationType } from './destination-type.ts';

/** All kinds of destinations that a configuration can name. */
export const destinationTypes: Readonly<Record<string, DestinationType>> = { webhook };
