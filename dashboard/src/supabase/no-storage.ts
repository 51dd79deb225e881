/** Stands in for supabase-js's part for files, of which the page has none: a tenth of supabase-js is not loaded. */
export class StorageClient {}
export class StorageApiError extends Error {}
