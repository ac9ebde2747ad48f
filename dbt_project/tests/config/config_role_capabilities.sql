-- What is this? Capabilities that no role holds, on any site. When does it matter?
-- Without a holder of listinsights nobody is told that students are at risk; the
-- insights are computed and reach no one. How to resolve? Give the capability to a role
-- in role_capabilities.csv (the defaults: teachers and managers list insights, users
-- their own), unless that is meant.
{{ config(severity="warn") }}

with
    needed as (
        select 'listinsights' as capability
        union all
        select 'listowninsights' as capability
        union all
        select 'managemodels' as capability
    ),
    held as (
        select capability, count(*) as role_count
        from {{ ref("role_capabilities") }}
        group by capability
    )

select needed.capability,
from needed
left join held on needed.capability = held.capability
where held.role_count is null
