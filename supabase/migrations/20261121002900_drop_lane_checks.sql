-- What a lane's row must be is said by sql/ops/broken_lanes.sql, and tried wherever a test of the queue looks at a
-- status. As constraints they were read and prepared anew by every statement on lanes, for a tenth of all that an item
-- costs. Only the functions of this schema write there.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.lanes
  drop constraint lanes_kind, drop constraint lanes_head_together, drop constraint lanes_leased_together,
  drop constraint lanes_leased_has_head, drop constraint lanes_attempts;
