import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useEffect, useState } from 'react';
import { Failed } from '../layout/states';
import { useDb } from '../supabase/client';
import classes from './SignIn.module.css';

/** The way in: e-mail address and password. The page behind it stays the one that was asked for. */
export function SignIn() {
  const db = useDb();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    document.title = 'Sign in · Creel';
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      const answer = await db.auth.signInWithPassword({
        email: String(form.get('email')),
        password: String(form.get('password')),
      });
      setError(answer.error);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className={classes.page}>
      <div className={classes.box}>
        <img className={classes.logo} src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
        <h1 className={classes.title}>Sign in to Creel</h1>
        <p className={classes.text}>See and steer your fleet of agents.</p>
        <form onSubmit={submit}>
          <Stack gap="sm">
            <TextInput
              name="email"
              type="email"
              label="E-mail address"
              autoComplete="username"
              required
              withAsterisk={false}
              autoFocus
            />
            <PasswordInput
              name="password"
              label="Password"
              autoComplete="current-password"
              required
              withAsterisk={false}
            />
            {error !== null && <Failed error={error} />}
            <Button type="submit" loading={busy} mt={6} fullWidth>
              Sign in
            </Button>
          </Stack>
        </form>
      </div>
    </main>
  );
}
