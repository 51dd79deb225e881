export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  public: {
    Tables: {
      agent_canaries: {
        Row: {
          agent_id: string;
          agent_key: string;
          answered_at: string | null;
          asked_at: string;
          challenge: string;
          deadline_at: string;
          fault: string | null;
          generation: number;
          host_id: string;
          id: string;
          project_id: string;
          result: Json | null;
          status: string;
          taken_at: string | null;
          waiting_for: string | null;
          woken_by: string | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id: string;
          agent_key: string;
          answered_at?: string | null;
          asked_at?: string;
          challenge: string;
          deadline_at: string;
          fault?: string | null;
          generation: number;
          host_id: string;
          id?: string;
          project_id: string;
          result?: Json | null;
          status?: string;
          taken_at?: string | null;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Update: {
          agent_id?: string;
          agent_key?: string;
          answered_at?: string | null;
          asked_at?: string;
          challenge?: string;
          deadline_at?: string;
          fault?: string | null;
          generation?: number;
          host_id?: string;
          id?: string;
          project_id?: string;
          result?: Json | null;
          status?: string;
          taken_at?: string | null;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_canaries_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
        ];
      };
      agent_commands: {
        Row: {
          acked_at: string | null;
          agent_id: string;
          agent_key: string;
          created_at: string;
          created_by: string | null;
          deadline_at: string | null;
          error: string | null;
          host_id: string | null;
          id: string;
          idempotency_key: string | null;
          payload: NonNullable<Json>;
          project_id: string;
          result: Json | null;
          sent_at: string | null;
          status: string;
          type: string;
          waiting_for: string | null;
          woken_by: string | null;
        };
        ComputedFields: never;
        Insert: {
          acked_at?: string | null;
          agent_id: string;
          agent_key: string;
          created_at?: string;
          created_by?: string | null;
          deadline_at?: string | null;
          error?: string | null;
          host_id?: string | null;
          id?: string;
          idempotency_key?: string | null;
          payload?: NonNullable<Json>;
          project_id: string;
          result?: Json | null;
          sent_at?: string | null;
          status?: string;
          type: string;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Update: {
          acked_at?: string | null;
          agent_id?: string;
          agent_key?: string;
          created_at?: string;
          created_by?: string | null;
          deadline_at?: string | null;
          error?: string | null;
          host_id?: string | null;
          id?: string;
          idempotency_key?: string | null;
          payload?: NonNullable<Json>;
          project_id?: string;
          result?: Json | null;
          sent_at?: string | null;
          status?: string;
          type?: string;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_commands_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'agent_commands_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'agent_commands_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
        ];
      };
      agent_logs: {
        Row: {
          agent_id: string;
          agent_key: string;
          lines: string;
          project_id: string;
          seq: number;
          skipped_bytes: number;
          written_at: string;
        };
        ComputedFields: never;
        Insert: {
          agent_id: string;
          agent_key: string;
          lines: string;
          project_id: string;
          seq: number;
          skipped_bytes?: number;
          written_at?: string;
        };
        Update: {
          agent_id?: string;
          agent_key?: string;
          lines?: string;
          project_id?: string;
          seq?: number;
          skipped_bytes?: number;
          written_at?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_logs_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
        ];
      };
      agent_metric_slots: {
        Row: {
          agent_id: string;
          at: string;
          cpu_percent: number | null;
          cpu_percent_max: number | null;
          disk_mb: number | null;
          ram_mb: number | null;
          ram_mb_max: number | null;
          samples: number;
          slot: number;
          step_secs: number;
          uptime_secs: number | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id: string;
          at: string;
          cpu_percent?: number | null;
          cpu_percent_max?: number | null;
          disk_mb?: number | null;
          ram_mb?: number | null;
          ram_mb_max?: number | null;
          samples: number;
          slot: number;
          step_secs: number;
          uptime_secs?: number | null;
        };
        Update: {
          agent_id?: string;
          at?: string;
          cpu_percent?: number | null;
          cpu_percent_max?: number | null;
          disk_mb?: number | null;
          ram_mb?: number | null;
          ram_mb_max?: number | null;
          samples?: number;
          slot?: number;
          step_secs?: number;
          uptime_secs?: number | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_metric_slots_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
        ];
      };
      agent_metrics: {
        Row: {
          agent_id: string;
          cpu_percent: number | null;
          disk_mb: number | null;
          note: string | null;
          pid: number | null;
          ram_mb: number | null;
          restarts: number | null;
          sampled_at: string;
          uptime_secs: number | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id: string;
          cpu_percent?: number | null;
          disk_mb?: number | null;
          note?: string | null;
          pid?: number | null;
          ram_mb?: number | null;
          restarts?: number | null;
          sampled_at?: string;
          uptime_secs?: number | null;
        };
        Update: {
          agent_id?: string;
          cpu_percent?: number | null;
          disk_mb?: number | null;
          note?: string | null;
          pid?: number | null;
          ram_mb?: number | null;
          restarts?: number | null;
          sampled_at?: string;
          uptime_secs?: number | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_metrics_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: true;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
        ];
      };
      agent_outages: {
        Row: {
          agent_id: string;
          agent_key: string;
          began_at: string;
          canary_id: string | null;
          ended_at: string | null;
          ended_by: string | null;
          host_id: string;
          id: number;
          project_id: string;
        };
        ComputedFields: never;
        Insert: {
          agent_id: string;
          agent_key: string;
          began_at: string;
          canary_id?: string | null;
          ended_at?: string | null;
          ended_by?: string | null;
          host_id: string;
          id?: never;
          project_id: string;
        };
        Update: {
          agent_id?: string;
          agent_key?: string;
          began_at?: string;
          canary_id?: string | null;
          ended_at?: string | null;
          ended_by?: string | null;
          host_id?: string;
          id?: never;
          project_id?: string;
        };
        Relationships: [];
      };
      agent_provision_requests: {
        Row: {
          adopt: boolean;
          agent_id_short: string | null;
          agent_key: string;
          completed_at: string | null;
          deadline_at: string | null;
          display_name: string | null;
          emoji: string | null;
          id: string;
          idempotency_key: string | null;
          picked_up_at: string | null;
          project_id: string;
          requested_at: string;
          requested_by: string | null;
          result: Json | null;
          role_short: string | null;
          status: string;
          waiting_for: string | null;
          woken_by: string | null;
        };
        ComputedFields: never;
        Insert: {
          adopt?: boolean;
          agent_id_short?: string | null;
          agent_key: string;
          completed_at?: string | null;
          deadline_at?: string | null;
          display_name?: string | null;
          emoji?: string | null;
          id?: string;
          idempotency_key?: string | null;
          picked_up_at?: string | null;
          project_id: string;
          requested_at?: string;
          requested_by?: string | null;
          result?: Json | null;
          role_short?: string | null;
          status?: string;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Update: {
          adopt?: boolean;
          agent_id_short?: string | null;
          agent_key?: string;
          completed_at?: string | null;
          deadline_at?: string | null;
          display_name?: string | null;
          emoji?: string | null;
          id?: string;
          idempotency_key?: string | null;
          picked_up_at?: string | null;
          project_id?: string;
          requested_at?: string;
          requested_by?: string | null;
          result?: Json | null;
          role_short?: string | null;
          status?: string;
          waiting_for?: string | null;
          woken_by?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_provision_requests_agent';
            columns: ['project_id', 'agent_key'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['project_id', 'agent_key'];
          },
        ];
      };
      agent_status: {
        Row: {
          agent_key: string;
          current_task: string | null;
          id: string;
          last_activity_at: string | null;
          last_heartbeat_at: string | null;
          note: string | null;
          project_id: string;
          state: string;
        };
        ComputedFields: never;
        Insert: {
          agent_key: string;
          current_task?: string | null;
          id?: string;
          last_activity_at?: string | null;
          last_heartbeat_at?: string | null;
          note?: string | null;
          project_id: string;
          state?: string;
        };
        Update: {
          agent_key?: string;
          current_task?: string | null;
          id?: string;
          last_activity_at?: string | null;
          last_heartbeat_at?: string | null;
          note?: string | null;
          project_id?: string;
          state?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_status_agent';
            columns: ['project_id', 'agent_key'];
            isOneToOne: true;
            referencedRelation: 'agents';
            referencedColumns: ['project_id', 'agent_key'];
          },
        ];
      };
      agents: {
        Row: {
          agent_id_short: string | null;
          agent_key: string;
          backend: string;
          billing: string;
          color: string | null;
          config: NonNullable<Json>;
          created_at: string;
          deleting_since: string | null;
          desired_state: string;
          emoji: string | null;
          generation: number;
          host_id: string | null;
          host_pinned: boolean;
          id: string;
          limits: NonNullable<Json>;
          name: string | null;
          openclaw_id: string | null;
          port: number | null;
          profile: string | null;
          project_id: string;
          provisioned: boolean;
          role: string | null;
          status: string;
          updated_at: string;
          workspace_path: string | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id_short?: string | null;
          agent_key: string;
          backend?: string;
          billing?: string;
          color?: string | null;
          config?: NonNullable<Json>;
          created_at?: string;
          deleting_since?: string | null;
          desired_state?: string;
          emoji?: string | null;
          generation?: number;
          host_id?: string | null;
          host_pinned?: boolean;
          id?: string;
          limits?: NonNullable<Json>;
          name?: string | null;
          openclaw_id?: string | null;
          port?: number | null;
          profile?: string | null;
          project_id: string;
          provisioned?: boolean;
          role?: string | null;
          status?: string;
          updated_at?: string;
          workspace_path?: string | null;
        };
        Update: {
          agent_id_short?: string | null;
          agent_key?: string;
          backend?: string;
          billing?: string;
          color?: string | null;
          config?: NonNullable<Json>;
          created_at?: string;
          deleting_since?: string | null;
          desired_state?: string;
          emoji?: string | null;
          generation?: number;
          host_id?: string | null;
          host_pinned?: boolean;
          id?: string;
          limits?: NonNullable<Json>;
          name?: string | null;
          openclaw_id?: string | null;
          port?: number | null;
          profile?: string | null;
          project_id?: string;
          provisioned?: boolean;
          role?: string | null;
          status?: string;
          updated_at?: string;
          workspace_path?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agents_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'agents_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'agents_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      brain_doc_contents: {
        Row: {
          content: string;
          project_id: string;
          sha256: string;
        };
        ComputedFields: never;
        Insert: {
          content: string;
          project_id: string;
          sha256: string;
        };
        Update: {
          content?: string;
          project_id?: string;
          sha256?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'brain_doc_contents_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      brain_doc_states: {
        Row: {
          agent_key: string;
          conflict_version: number | null;
          doc_date: string | null;
          doc_id: string;
          doc_type: string;
          held_version: number | null;
          project_id: string;
          sha256: string;
          sync_note: string | null;
          sync_state: string;
          updated_at: string;
          updated_by: string | null;
          version: number;
          warning: string | null;
        };
        ComputedFields: never;
        Insert: {
          agent_key: string;
          conflict_version?: number | null;
          doc_date?: string | null;
          doc_id: string;
          doc_type: string;
          held_version?: number | null;
          project_id: string;
          sha256: string;
          sync_note?: string | null;
          sync_state: string;
          updated_at: string;
          updated_by?: string | null;
          version: number;
          warning?: string | null;
        };
        Update: {
          agent_key?: string;
          conflict_version?: number | null;
          doc_date?: string | null;
          doc_id?: string;
          doc_type?: string;
          held_version?: number | null;
          project_id?: string;
          sha256?: string;
          sync_note?: string | null;
          sync_state?: string;
          updated_at?: string;
          updated_by?: string | null;
          version?: number;
          warning?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'brain_doc_states_doc_id_fkey';
            columns: ['doc_id'];
            isOneToOne: true;
            referencedRelation: 'brain_docs';
            referencedColumns: ['id'];
          },
        ];
      };
      brain_doc_versions: {
        Row: {
          agent_key: string;
          author_id: string | null;
          author_kind: string;
          base_version: number | null;
          created_at: string;
          doc_date: string | null;
          doc_id: string;
          doc_type: string;
          id: number;
          pinned: boolean;
          project_id: string;
          reason: string | null;
          sha256: string;
          side: boolean;
          updated_by: string | null;
          version: number;
        };
        ComputedFields: never;
        Insert: {
          agent_key: string;
          author_id?: string | null;
          author_kind: string;
          base_version?: number | null;
          created_at?: string;
          doc_date?: string | null;
          doc_id: string;
          doc_type: string;
          id?: never;
          pinned?: boolean;
          project_id: string;
          reason?: string | null;
          sha256: string;
          side?: boolean;
          updated_by?: string | null;
          version: number;
        };
        Update: {
          agent_key?: string;
          author_id?: string | null;
          author_kind?: string;
          base_version?: number | null;
          created_at?: string;
          doc_date?: string | null;
          doc_id?: string;
          doc_type?: string;
          id?: never;
          pinned?: boolean;
          project_id?: string;
          reason?: string | null;
          sha256?: string;
          side?: boolean;
          updated_by?: string | null;
          version?: number;
        };
        Relationships: [
          {
            foreignKeyName: 'brain_doc_versions_content';
            columns: ['project_id', 'sha256'];
            isOneToOne: false;
            referencedRelation: 'brain_doc_contents';
            referencedColumns: ['project_id', 'sha256'];
          },
          {
            foreignKeyName: 'brain_doc_versions_doc_id_fkey';
            columns: ['doc_id'];
            isOneToOne: false;
            referencedRelation: 'brain_docs';
            referencedColumns: ['id'];
          },
        ];
      };
      brain_docs: {
        Row: {
          agent_key: string;
          base_version: number | null;
          changed: unknown;
          conflict_version: number | null;
          content: string;
          disk_at: string | null;
          disk_sha256: string | null;
          disk_version: number;
          doc_date: string | null;
          doc_type: string;
          erased_sha256s: string[];
          held_version: number | null;
          id: string;
          last_version: number;
          project_id: string;
          sha256: string;
          sync_note: string | null;
          sync_state: string;
          updated_at: string;
          updated_by: string | null;
          version: number;
          warning: string | null;
        };
        ComputedFields: never;
        Insert: {
          agent_key: string;
          base_version?: number | null;
          changed?: unknown;
          conflict_version?: number | null;
          content?: string;
          disk_at?: string | null;
          disk_sha256?: string | null;
          disk_version?: number;
          doc_date?: string | null;
          doc_type: string;
          erased_sha256s?: string[];
          held_version?: number | null;
          id?: string;
          last_version?: number;
          project_id: string;
          sha256?: string;
          sync_note?: string | null;
          sync_state?: string;
          updated_at?: string;
          updated_by?: string | null;
          version?: number;
          warning?: string | null;
        };
        Update: {
          agent_key?: string;
          base_version?: number | null;
          changed?: unknown;
          conflict_version?: number | null;
          content?: string;
          disk_at?: string | null;
          disk_sha256?: string | null;
          disk_version?: number;
          doc_date?: string | null;
          doc_type?: string;
          erased_sha256s?: string[];
          held_version?: number | null;
          id?: string;
          last_version?: number;
          project_id?: string;
          sha256?: string;
          sync_note?: string | null;
          sync_state?: string;
          updated_at?: string;
          updated_by?: string | null;
          version?: number;
          warning?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'brain_docs_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      checkout_intents: {
        Row: {
          agent: NonNullable<Json>;
          agent_id: string | null;
          agent_key: string;
          amount_minor: number;
          awaits_payment: boolean;
          created_at: string;
          created_by: string | null;
          currency: string;
          customer_id: string | null;
          destination: string;
          ended_at: string | null;
          expires_at: string;
          fee_bp: number;
          host_id: string | null;
          id: string;
          plan: string;
          project_id: string | null;
          session_id: string | null;
          session_url: string | null;
          status: string;
        };
        ComputedFields: never;
        Insert: {
          agent: NonNullable<Json>;
          agent_id?: string | null;
          agent_key: string;
          amount_minor: number;
          awaits_payment?: boolean;
          created_at?: string;
          created_by?: string | null;
          currency: string;
          customer_id?: string | null;
          destination: string;
          ended_at?: string | null;
          expires_at: string;
          fee_bp: number;
          host_id?: string | null;
          id?: string;
          plan: string;
          project_id?: string | null;
          session_id?: string | null;
          session_url?: string | null;
          status?: string;
        };
        Update: {
          agent?: NonNullable<Json>;
          agent_id?: string | null;
          agent_key?: string;
          amount_minor?: number;
          awaits_payment?: boolean;
          created_at?: string;
          created_by?: string | null;
          currency?: string;
          customer_id?: string | null;
          destination?: string;
          ended_at?: string | null;
          expires_at?: string;
          fee_bp?: number;
          host_id?: string | null;
          id?: string;
          plan?: string;
          project_id?: string | null;
          session_id?: string | null;
          session_url?: string | null;
          status?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'checkout_intents_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'checkout_intents_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'checkout_intents_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'checkout_intents_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      events: {
        Row: {
          actor: string;
          agent_key: string | null;
          at: string;
          detail: NonNullable<Json>;
          host_id: string | null;
          id: number;
          item_id: string | null;
          kind: string;
          project_id: string | null;
          told_id: string | null;
        };
        ComputedFields: never;
        Insert: {
          actor: string;
          agent_key?: string | null;
          at?: string;
          detail?: NonNullable<Json>;
          host_id?: string | null;
          id?: never;
          item_id?: string | null;
          kind: string;
          project_id?: string | null;
          told_id?: string | null;
        };
        Update: {
          actor?: string;
          agent_key?: string | null;
          at?: string;
          detail?: NonNullable<Json>;
          host_id?: string | null;
          id?: never;
          item_id?: string | null;
          kind?: string;
          project_id?: string | null;
          told_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'events_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'events_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'events_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      host_earnings: {
        Row: {
          agent_id: string | null;
          amount_minor: number;
          charge_id: string | null;
          corrects: number | null;
          created_at: string;
          currency: string;
          destination: string | null;
          fee_minor: number;
          gross_minor: number;
          host_id: string | null;
          id: number;
          invoice_id: string | null;
          kind: string;
          owner_id: string;
          paid_at: string;
          payment_intent_id: string | null;
          period_end: string;
          period_start: string;
          source: string;
          subscription_id: string;
          transfer_id: string | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id?: string | null;
          amount_minor: number;
          charge_id?: string | null;
          corrects?: number | null;
          created_at?: string;
          currency: string;
          destination?: string | null;
          fee_minor: number;
          gross_minor: number;
          host_id?: string | null;
          id?: never;
          invoice_id?: string | null;
          kind: string;
          owner_id: string;
          paid_at: string;
          payment_intent_id?: string | null;
          period_end: string;
          period_start: string;
          source: string;
          subscription_id: string;
          transfer_id?: string | null;
        };
        Update: {
          agent_id?: string | null;
          amount_minor?: number;
          charge_id?: string | null;
          corrects?: number | null;
          created_at?: string;
          currency?: string;
          destination?: string | null;
          fee_minor?: number;
          gross_minor?: number;
          host_id?: string | null;
          id?: never;
          invoice_id?: string | null;
          kind?: string;
          owner_id?: string;
          paid_at?: string;
          payment_intent_id?: string | null;
          period_end?: string;
          period_start?: string;
          source?: string;
          subscription_id?: string;
          transfer_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'host_earnings_corrects_fkey';
            columns: ['corrects'];
            isOneToOne: false;
            referencedRelation: 'host_earnings';
            referencedColumns: ['id'];
          },
        ];
      };
      host_heartbeats: {
        Row: {
          counted: number;
          counted_from: string | null;
          cpu_percent: number | null;
          host_id: string;
          last_seen_at: string;
          listens: boolean;
          lost_hints: number;
          quiet_secs: number;
          ram_mb: number | null;
          session_id: string | null;
        };
        ComputedFields: never;
        Insert: {
          counted?: number;
          counted_from?: string | null;
          cpu_percent?: number | null;
          host_id: string;
          last_seen_at?: string;
          listens?: boolean;
          lost_hints?: number;
          quiet_secs?: number;
          ram_mb?: number | null;
          session_id?: string | null;
        };
        Update: {
          counted?: number;
          counted_from?: string | null;
          cpu_percent?: number | null;
          host_id?: string;
          last_seen_at?: string;
          listens?: boolean;
          lost_hints?: number;
          quiet_secs?: number;
          ram_mb?: number | null;
          session_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: 'host_heartbeats_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: true;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'host_heartbeats_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: true;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
        ];
      };
      host_rosters: {
        Row: {
          agents: NonNullable<Json>;
          host_id: string;
        };
        ComputedFields: never;
        Insert: {
          agents: NonNullable<Json>;
          host_id: string;
        };
        Update: {
          agents?: NonNullable<Json>;
          host_id?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'host_rosters_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: true;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'host_rosters_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: true;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
        ];
      };
      hosts: {
        Row: {
          backends: string[];
          capacity: number;
          created_at: string;
          id: string;
          name: string;
          openclaw_version: string | null;
          outdated_since: string | null;
          owner_id: string | null;
          platform: string | null;
          price: Json | null;
          runtime: Json | null;
          status: string;
          tags: string[];
          tenancy: string;
          updated_at: string;
          worker_version: string | null;
        };
        ComputedFields: never;
        Insert: {
          backends?: string[];
          capacity?: number;
          created_at?: string;
          id?: string;
          name: string;
          openclaw_version?: string | null;
          outdated_since?: string | null;
          owner_id?: string | null;
          platform?: string | null;
          price?: Json | null;
          runtime?: Json | null;
          status?: string;
          tags?: string[];
          tenancy?: string;
          updated_at?: string;
          worker_version?: string | null;
        };
        Update: {
          backends?: string[];
          capacity?: number;
          created_at?: string;
          id?: string;
          name?: string;
          openclaw_version?: string | null;
          outdated_since?: string | null;
          owner_id?: string | null;
          platform?: string | null;
          price?: Json | null;
          runtime?: Json | null;
          status?: string;
          tags?: string[];
          tenancy?: string;
          updated_at?: string;
          worker_version?: string | null;
        };
        Relationships: [];
      };
      notifications: {
        Row: {
          attempts: number;
          created_at: string;
          delivered_at: string | null;
          due_at: string;
          held_back: number;
          id: string;
          kind: string;
          last_error: string | null;
          not_before: string;
          payload: NonNullable<Json>;
          project_id: string;
          status: string;
          subject: string | null;
          webhook_id: string;
        };
        ComputedFields: never;
        Insert: {
          attempts?: number;
          created_at?: string;
          delivered_at?: string | null;
          due_at?: string;
          held_back?: number;
          id?: string;
          kind: string;
          last_error?: string | null;
          not_before?: string;
          payload: NonNullable<Json>;
          project_id: string;
          status?: string;
          subject?: string | null;
          webhook_id: string;
        };
        Update: {
          attempts?: number;
          created_at?: string;
          delivered_at?: string | null;
          due_at?: string;
          held_back?: number;
          id?: string;
          kind?: string;
          last_error?: string | null;
          not_before?: string;
          payload?: NonNullable<Json>;
          project_id?: string;
          status?: string;
          subject?: string | null;
          webhook_id?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'notifications_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'notifications_webhook_id_fkey';
            columns: ['webhook_id'];
            isOneToOne: false;
            referencedRelation: 'webhooks';
            referencedColumns: ['id'];
          },
        ];
      };
      project_hosts: {
        Row: {
          created_at: string;
          host_id: string;
          project_id: string;
          terms: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          host_id: string;
          project_id: string;
          terms?: string;
        };
        Update: {
          created_at?: string;
          host_id?: string;
          project_id?: string;
          terms?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'project_hosts_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'project_hosts_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'project_hosts_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      project_members: {
        Row: {
          created_at: string;
          project_id: string;
          role: string;
          user_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          project_id: string;
          role?: string;
          user_id: string;
        };
        Update: {
          created_at?: string;
          project_id?: string;
          role?: string;
          user_id?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'project_members_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      projects: {
        Row: {
          created_at: string;
          created_by: string | null;
          id: string;
          name: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          created_by?: string | null;
          id?: string;
          name?: string;
        };
        Update: {
          created_at?: string;
          created_by?: string | null;
          id?: string;
          name?: string;
        };
        Relationships: [];
      };
      stripe_accounts: {
        Row: {
          account_id: string;
          as_of: string;
          charges_enabled: boolean;
          created_at: string;
          livemode: boolean | null;
          owner_id: string;
          payout_as_of: string | null;
          payout_failed: string | null;
          payouts_enabled: boolean;
          requirements: NonNullable<Json>;
          transfers_active: boolean;
        };
        ComputedFields: never;
        Insert: {
          account_id: string;
          as_of: string;
          charges_enabled?: boolean;
          created_at?: string;
          livemode?: boolean | null;
          owner_id: string;
          payout_as_of?: string | null;
          payout_failed?: string | null;
          payouts_enabled?: boolean;
          requirements?: NonNullable<Json>;
          transfers_active?: boolean;
        };
        Update: {
          account_id?: string;
          as_of?: string;
          charges_enabled?: boolean;
          created_at?: string;
          livemode?: boolean | null;
          owner_id?: string;
          payout_as_of?: string | null;
          payout_failed?: string | null;
          payouts_enabled?: boolean;
          requirements?: NonNullable<Json>;
          transfers_active?: boolean;
        };
        Relationships: [];
      };
      stripe_customers: {
        Row: {
          created_at: string;
          customer_id: string;
          project_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          customer_id: string;
          project_id: string;
        };
        Update: {
          created_at?: string;
          customer_id?: string;
          project_id?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'stripe_customers_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      stripe_events: {
        Row: {
          account: string | null;
          api_version: string | null;
          created: string | null;
          deliveries: number;
          endpoint: string;
          id: string;
          last_delivered_at: string;
          led_to: NonNullable<Json>;
          livemode: boolean;
          looked_at: string;
          note: string | null;
          payload: Json | null;
          received_at: string;
          status: string;
          subjects: string[];
          type: string;
        };
        ComputedFields: never;
        Insert: {
          account?: string | null;
          api_version?: string | null;
          created?: string | null;
          deliveries?: number;
          endpoint: string;
          id: string;
          last_delivered_at?: string;
          led_to?: NonNullable<Json>;
          livemode?: boolean;
          looked_at?: string;
          note?: string | null;
          payload?: Json | null;
          received_at?: string;
          status: string;
          subjects?: string[];
          type: string;
        };
        Update: {
          account?: string | null;
          api_version?: string | null;
          created?: string | null;
          deliveries?: number;
          endpoint?: string;
          id?: string;
          last_delivered_at?: string;
          led_to?: NonNullable<Json>;
          livemode?: boolean;
          looked_at?: string;
          note?: string | null;
          payload?: Json | null;
          received_at?: string;
          status?: string;
          subjects?: string[];
          type?: string;
        };
        Relationships: [];
      };
      subscriptions: {
        Row: {
          agent_id: string | null;
          agent_key: string;
          amount_minor: number;
          as_of: string;
          asked_at: string | null;
          cancel_at_period_end: boolean;
          created_at: string;
          currency: string;
          current_period_end: string | null;
          current_period_start: string | null;
          customer_id: string | null;
          ended_at: string | null;
          first_paid_at: string | null;
          grace_until: string | null;
          host_id: string | null;
          id: string;
          intent_id: string | null;
          item_id: string | null;
          livemode: boolean;
          paid_at: string | null;
          past_due_since: string | null;
          plan: string;
          project_id: string | null;
          received_at: string | null;
          remove_at: string | null;
          service: string;
          status: string;
          updated_at: string;
        };
        ComputedFields: never;
        Insert: {
          agent_id?: string | null;
          agent_key: string;
          amount_minor: number;
          as_of: string;
          asked_at?: string | null;
          cancel_at_period_end?: boolean;
          created_at?: string;
          currency: string;
          current_period_end?: string | null;
          current_period_start?: string | null;
          customer_id?: string | null;
          ended_at?: string | null;
          first_paid_at?: string | null;
          grace_until?: string | null;
          host_id?: string | null;
          id: string;
          intent_id?: string | null;
          item_id?: string | null;
          livemode?: boolean;
          paid_at?: string | null;
          past_due_since?: string | null;
          plan: string;
          project_id?: string | null;
          received_at?: string | null;
          remove_at?: string | null;
          service?: string;
          status: string;
          updated_at?: string;
        };
        Update: {
          agent_id?: string | null;
          agent_key?: string;
          amount_minor?: number;
          as_of?: string;
          asked_at?: string | null;
          cancel_at_period_end?: boolean;
          created_at?: string;
          currency?: string;
          current_period_end?: string | null;
          current_period_start?: string | null;
          customer_id?: string | null;
          ended_at?: string | null;
          first_paid_at?: string | null;
          grace_until?: string | null;
          host_id?: string | null;
          id?: string;
          intent_id?: string | null;
          item_id?: string | null;
          livemode?: boolean;
          paid_at?: string | null;
          past_due_since?: string | null;
          plan?: string;
          project_id?: string | null;
          received_at?: string | null;
          remove_at?: string | null;
          service?: string;
          status?: string;
          updated_at?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'subscriptions_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_intent_id_fkey';
            columns: ['intent_id'];
            isOneToOne: false;
            referencedRelation: 'checkout_intents';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      webhooks: {
        Row: {
          created_at: string;
          created_by: string | null;
          disabled_reason: string | null;
          enabled: boolean;
          events: string[];
          id: string;
          project_id: string;
          url: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          created_by?: string | null;
          disabled_reason?: string | null;
          enabled?: boolean;
          events: string[];
          id?: string;
          project_id: string;
          url: string;
        };
        Update: {
          created_at?: string;
          created_by?: string | null;
          disabled_reason?: string | null;
          enabled?: boolean;
          events?: string[];
          id?: string;
          project_id?: string;
          url?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'webhooks_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
    };
    Views: {
      agent_metrics_history: {
        Row: {
          agent_id: string;
          at: string;
          cpu_percent: number | null;
          cpu_percent_max: number | null;
          disk_mb: number | null;
          ram_mb: number | null;
          ram_mb_max: number | null;
          samples: number;
          step_secs: number;
          uptime_secs: number | null;
        };
        ComputedFields: never;
        Insert: {
          agent_id?: string | null;
          at?: string | null;
          cpu_percent?: number | null;
          cpu_percent_max?: number | null;
          disk_mb?: number | null;
          ram_mb?: number | null;
          ram_mb_max?: number | null;
          samples?: number | null;
          step_secs?: number | null;
          uptime_secs?: number | null;
        };
        Update: {
          agent_id?: string | null;
          at?: string | null;
          cpu_percent?: number | null;
          cpu_percent_max?: number | null;
          disk_mb?: number | null;
          ram_mb?: number | null;
          ram_mb_max?: number | null;
          samples?: number | null;
          step_secs?: number | null;
          uptime_secs?: number | null;
        };
        Relationships: [
          {
            foreignKeyName: 'agent_metric_slots_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
        ];
      };
      dead_letters: {
        Row: {
          agent_key: string;
          attempts: number;
          died_at: string;
          error: Json | null;
          id: string;
          project_id: string;
          queue: string;
          reason: string;
          type: string | null;
        };
        ComputedFields: never;
        Relationships: [
          {
            foreignKeyName: 'dead_letters_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
      host_statements: {
        Row: {
          corrected_minor: number | null;
          correction_count: number | null;
          currency: string;
          earned_minor: number | null;
          earning_count: number | null;
          host_id: string | null;
          month: string | null;
          net_minor: number | null;
          owner_id: string;
        };
        ComputedFields: never;
        Relationships: [];
      };
      host_status: {
        Row: {
          cpu_percent: number | null;
          id: string;
          last_seen_at: string | null;
          name: string;
          ram_mb: number | null;
          shown_status: string | null;
          status: string;
        };
        ComputedFields: never;
        Relationships: [];
      };
      paid_to_running: {
        Row: {
          agent_id: string | null;
          agent_key: string;
          asked_at: string | null;
          gap: string | null;
          host_id: string | null;
          paid_at: string | null;
          project_id: string | null;
          received_at: string | null;
          received_to_running: string | null;
          running_at: string | null;
          service: string;
          subscription_id: string;
        };
        ComputedFields: never;
        Relationships: [
          {
            foreignKeyName: 'subscriptions_agent_id_fkey';
            columns: ['agent_id'];
            isOneToOne: false;
            referencedRelation: 'agents';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'host_status';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_host_id_fkey';
            columns: ['host_id'];
            isOneToOne: false;
            referencedRelation: 'hosts';
            referencedColumns: ['id'];
          },
          {
            foreignKeyName: 'subscriptions_project_id_fkey';
            columns: ['project_id'];
            isOneToOne: false;
            referencedRelation: 'projects';
            referencedColumns: ['id'];
          },
        ];
      };
    };
    Functions: {
      add_member: { Args: { email: string; project_id: string; role?: string }; Returns: string };
      adopt_agents: { Args: { '': Json }; Returns: Json };
      apply_stripe_event: { Args: { '': Json }; Returns: Json };
      begin_checkout: { Args: { '': Json }; Returns: Json };
      claim: { Args: { '': Json }; Returns: Json };
      claim_notifications: { Args: { '': Json }; Returns: Json };
      create_enrolment_code: { Args: { '': Json }; Returns: Json };
      create_webhook: { Args: { '': Json }; Returns: Json };
      delete_webhook: { Args: { '': Json }; Returns: Json };
      deploy_config: { Args: { '': Json }; Returns: Json };
      enroll_host_by_code: { Args: { '': Json }; Returns: Json };
      erase_doc: { Args: { '': Json }; Returns: Json };
      fetch_docs: { Args: { '': Json }; Returns: Json };
      finish: { Args: { '': Json }; Returns: Json };
      finish_notifications: { Args: { '': Json }; Returns: Json };
      heartbeat: { Args: { '': Json }; Returns: Json };
      list_agents: { Args: { '': Json }; Returns: Json };
      list_doc_versions: { Args: { '': Json }; Returns: Json };
      list_docs: { Args: { '': Json }; Returns: Json };
      list_docs_of: { Args: { '': Json }; Returns: Json };
      list_enrolment_codes: { Args: Record<PropertyKey, never>; Returns: Json };
      list_host_access: { Args: { '': Json }; Returns: Json };
      list_hosts_for_rent: { Args: { '': Json }; Returns: Json };
      list_members: {
        Args: { project_id: string };
        Returns: {
          created_at: string;
          email: string;
          role: string;
          user_id: string;
        }[];
      };
      pin_doc_version: { Args: { '': Json }; Returns: Json };
      progress: { Args: { '': Json }; Returns: Json };
      put_docs: { Args: { '': Json }; Returns: Json };
      read_doc: { Args: { '': Json }; Returns: Json };
      read_docs: { Args: { '': Json }; Returns: Json };
      read_runtime: { Args: { '': Json }; Returns: Json };
      record_docs: { Args: { '': Json }; Returns: Json };
      record_logs: { Args: { '': Json }; Returns: Json };
      redrive: { Args: { id: string }; Returns: Json };
      redrive_notification: { Args: { '': Json }; Returns: Json };
      release: { Args: { '': Json }; Returns: Json };
      remove_member: { Args: { email: string; project_id: string }; Returns: boolean };
      report_outdated: { Args: { '': Json }; Returns: Json };
      request_provision: { Args: { '': Json }; Returns: Json };
      request_removal: { Args: { '': Json }; Returns: Json };
      resolve_doc: { Args: { '': Json }; Returns: Json };
      restore_doc: { Args: { '': Json }; Returns: Json };
      revoke_enrolment_code: { Args: { '': Json }; Returns: Json };
      revoke_host_access: { Args: { '': Json }; Returns: Json };
      rotate_host_key: { Args: { '': Json }; Returns: Json };
      rotate_webhook_secret: { Args: { '': Json }; Returns: Json };
      sweep: { Args: { '': Json }; Returns: Json };
      test_webhook: { Args: { '': Json }; Returns: Json };
      tick: { Args: { '': Json }; Returns: Json };
      why_pending: { Args: { id: string }; Returns: Json };
      write_doc: { Args: { '': Json }; Returns: Json };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, 'public'>];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])[TableName] extends {
      Row: infer R;
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    ? (DefaultSchema['Tables'] & DefaultSchema['Views'])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R;
      }
      ? R
      : never
    : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema['Tables']
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Insert: infer I;
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I;
      }
      ? I
      : never
    : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema['Tables']
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Update: infer U;
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U;
      }
      ? U
      : never
    : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema['Enums']
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums']
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums'][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema['Enums']
    ? DefaultSchema['Enums'][DefaultSchemaEnumNameOrOptions]
    : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema['CompositeTypes']
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes']
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes'][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema['CompositeTypes']
    ? DefaultSchema['CompositeTypes'][PublicCompositeTypeNameOrOptions]
    : never;

export const Constants = {
  public: {
    Enums: {},
  },
} as const;
