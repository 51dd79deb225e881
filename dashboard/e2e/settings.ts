/** What the test that runs this program tells it by its environment. */
export function setting(name: 'SUPABASE_URL' | 'EMAIL' | 'PASSWORD' | 'PROJECT' | 'SCREENSHOTS'): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; this program is run by a test of tests/tests/dashboard`);
  return value;
}
