import { anotherBucket } from '../another-bucket/another-bucket.ts';
import { datadog } from '../datadog/datadog.ts';
import { elastic } from '../elastic/elastic.ts';
import { file } from '../file/file.ts';
import { module } from '../module/module.ts';
import { otlp } from '../otlp/otlp.ts';
import { sentinel } from '../sentinel/sentinel.ts';
import { splunkHec } from '../splunk-hec/splunk-hec.ts';
import { syslog } from '../syslog/syslog.ts';
import { webhook } from '../webhook/webhook.ts';
import type { DestinationType } from './destination-type.ts';

/** All kinds of destinations that a configuration can name. */
export const destinationTypes: Readonly<Record<string, DestinationType>> = {
  s3: anotherBucket,
  webhook,
  'splunk-hec': splunkHec,
  otlp,
  elastic,
  datadog,
  sentinel,
  syslog,
  file,
  module,
};
