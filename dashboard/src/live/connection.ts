import type { RealtimeChannel, RealtimePostgresChangesPayload } from '@supabase/supabase-js';
import type { Db } from '../supabase/client';
import { decideMode, type Facts, initialFacts, type LiveMode, nextFacts, type Signal } from './state';
import { type Change, hasKey, LIVE_TABLES, type LiveTable, namesDeleted } from './tables';

/** Changes of so long are shown at once: a person sees no delay, and a burst is one drawing. */
const GATHER_MS = 60;
/** How often the watchdog looks. */
const WATCH_MS = 1_000;
/** A channel that is not joined after so long is asked for anew. */
const REJOIN_MS = 8_000;

type Payload = RealtimePostgresChangesPayload<Record<string, unknown>>;

/** The one connection to Realtime of a project: says how it stands, and hands on what changed. */
export class LiveConnection {
  private facts: Facts = initialFacts(Date.now());
  private mode: LiveMode = 'connecting';
  private channel: RealtimeChannel | null = null;
  private askedAt = 0;
  private attempt = 0;
  private gathered: Change[] = [];
  private timers: ReturnType<typeof setInterval>[] = [];
  private gathering: ReturnType<typeof setTimeout> | null = null;
  private hasGap = false;
  private readonly modeListeners = new Set<() => void>();
  private readonly gapListeners = new Set<() => void>();
  private readonly changeListeners = new Set<(changes: Change[]) => void>();

  constructor(
    private readonly db: Db,
    private readonly projectId: string,
  ) {}

  /** Begins; the function that comes back ends it. */
  start(): () => void {
    // What the browser says of its network is a reason to look: a stack on this machine is there without one, too.
    const lost = () => this.signal({ type: 'reached', ok: false });
    const found = () => this.tellGap();
    window.addEventListener('online', found);
    window.addEventListener('offline', lost);
    const shown = () => this.watch();
    document.addEventListener('visibilitychange', shown);
    this.join();
    this.timers.push(setInterval(() => this.watch(), WATCH_MS));
    return () => {
      window.removeEventListener('online', found);
      window.removeEventListener('offline', lost);
      document.removeEventListener('visibilitychange', shown);
      for (const timer of this.timers.splice(0)) clearInterval(timer);
      if (this.gathering) clearTimeout(this.gathering);
      this.leave();
    };
  }

  currentMode = (): LiveMode => this.mode;

  onMode = (listener: () => void): (() => void) => {
    this.modeListeners.add(listener);
    return () => this.modeListeners.delete(listener);
  };

  /** Calls when something may have been missed: what is shown is to be asked for again. */
  onGap = (listener: () => void): (() => void) => {
    this.gapListeners.add(listener);
    return () => this.gapListeners.delete(listener);
  };

  onChanges = (listener: (changes: Change[]) => void): (() => void) => {
    this.changeListeners.add(listener);
    return () => this.changeListeners.delete(listener);
  };

  signal(signal: Signal): void {
    this.facts = nextFacts(this.facts, signal);
    this.judge();
  }

  private judge(): void {
    const mode = decideMode(this.facts, Date.now());
    if (mode === this.mode) return;
    this.mode = mode;
    for (const listener of this.modeListeners) listener();
    // Whatever happened between two modes was not heard of.
    this.tellGap();
  }

  private tellGap(): void {
    for (const listener of this.gapListeners) listener();
  }

  private watch(): void {
    // The timers of a hidden page are slowed down, heartbeats too: its silence says nothing.
    if (document.hidden) return;
    this.judge();
    // Without a socket it is the client that tries: what it has joined is joined again by itself.
    if (!this.db.realtime.isConnected()) this.askedAt = Date.now();
    if (this.facts.joinedAt === null && Date.now() - this.askedAt > REJOIN_MS) {
      this.leave();
      this.join();
    }
  }

  private join(): void {
    this.askedAt = Date.now();
    // A name of its own for each attempt: what is still to come for an earlier one does not meet this one.
    this.attempt += 1;
    const channel = this.db.channel(`page:${this.projectId}:${this.attempt}`);
    for (const table of LIVE_TABLES) {
      const filter = `project_id=eq.${this.projectId}`;
      const hear = (payload: Payload) => this.hear(table, payload);
      channel.on('postgres_changes', { event: '*', schema: 'public', table, filter }, hear);
      // Of a deleted row Realtime knows the key only, so that no filter lets it pass.
      if (namesDeleted(table))
        channel.on('postgres_changes', { event: 'DELETE', schema: 'public', table }, hear);
    }
    // The join is answered before the changes flow: from this message on none is missed.
    channel.on('system', {}, (message: { status?: string }) => {
      if (this.channel !== channel) return;
      if (message.status === 'ok') this.signal({ type: 'joined', at: Date.now() });
      else this.signal({ type: 'left' });
    });
    channel.subscribe((status) => {
      if (this.channel !== channel) return;
      if (status === 'SUBSCRIBED') this.signal({ type: 'heard', at: Date.now() });
      else this.signal({ type: 'left' });
    });
    this.channel = channel;
  }

  private leave(): void {
    const channel = this.channel;
    this.channel = null;
    this.signal({ type: 'left' });
    if (channel) void this.db.removeChannel(channel);
  }

  private hear(table: LiveTable, payload: Payload): void {
    this.signal({ type: 'heard', at: Date.now() });
    const { eventType, errors } = payload;
    const row = eventType === 'DELETE' ? payload.old : payload.new;
    // Of what is too large Realtime leaves columns away, and of what it could not check all of them.
    if (errors?.length > 0 || !hasKey(table, row)) this.hasGap = true;
    else if (eventType === 'DELETE') this.gathered.push({ table, type: 'DELETE', key: row } as Change);
    else this.gathered.push({ table, type: eventType, row } as unknown as Change);
    this.gathering ??= setTimeout(() => this.handOn(), GATHER_MS);
  }

  private handOn(): void {
    this.gathering = null;
    const changes = this.gathered.splice(0);
    if (changes.length > 0) for (const listener of this.changeListeners) listener(changes);
    if (!this.hasGap) return;
    this.hasGap = false;
    this.tellGap();
  }
}
