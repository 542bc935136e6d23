/** The SDK's marks on credentials, by how much they tell: a role's are marked by what they were had with, too. */
const words: readonly (readonly [mark: string, source: string])[] = [
  ['CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN', 'web identity (AWS_WEB_IDENTITY_TOKEN_FILE)'],
  ['CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN', 'web identity of a profile'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'web identity'],
  ['CREDENTIALS_PROFILE_SSO', "a profile's single sign-on"],
  ['CREDENTIALS_PROFILE_SSO_LEGACY', "a profile's single sign-on"],
  ['CREDENTIALS_PROFILE_PROCESS', "a profile's credential process"],
  ['CREDENTIALS_STS_ASSUME_ROLE', "a profile's role"],
  ['CREDENTIALS_PROFILE', 'a profile of the AWS configuration'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_HTTP', "the container's role"],
  ['CREDENTIALS_IMDS', "the instance's role"],
  ['CREDENTIALS_ENV_VARS', 'the environment (AWS_ACCESS_KEY_ID)'],
];

/** Where credentials come from, in words, by the SDK's marks. */
export function credentialsSource(marks: Readonly<Record<string, unknown>>): string {
  return words.find(([mark]) => mark in marks)?.[1] ?? 'the AWS SDK';
}
