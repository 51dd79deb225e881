-- Nothing is seeded: `creel up` makes the local person, project and host by the same functions that everybody uses.
select 1;
