-- Signs a person out: of this session (local), of the others, or of all (global). $1 person, $2 session, $3 scope.
delete from auth.sessions
where user_id = $1
  and case $3::text
        when 'local' then id = $2::uuid
        when 'others' then id is distinct from $2::uuid
        else true
      end
