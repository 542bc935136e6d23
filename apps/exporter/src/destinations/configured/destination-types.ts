import { datadog } from '../datadog/datadog.ts';
import { elastic } from '../elastic/elastic.ts';
import { module } from '../module/module.ts';
import { otlp } from '../otlp/otlp.ts';
import { splunkHec } from '../splunk-hec/splunk-hec.ts';
import { webhook } from '../webhook/webhook.ts';
import type { DestinationType } from './destination-type.ts';

/** All kinds of destinations that a configuration can name. */
export const destinationTypes: Readonly<Record<string, DestinationType>> = {
  webhook,
  'splunk-hec': splunkHec,
  otlp,
  elastic,
  datadog,
  module,
};
