-- What is this? Roles given in role_assignments.csv that carry no capability for the
-- user's site. When does it matter? The row was written so that a person sees
-- something; the person sees nothing. How to resolve? Give the role a capability in
-- role_capabilities.csv, or assign another role, or remove the row.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "role_assignments"}}},
    )
}}

with
    assignments as (
        select district_id, user_id, role from {{ ref("role_assignments") }}
    ),
    capabilities as (select district_id, role from {{ ref("role_capabilities") }})

-- a capability of `*` holds for every site, so the join is not on equal ids; seeds
-- are short
select assignments.district_id, assignments.user_id, assignments.role,
from assignments
left join
    capabilities
    on assignments.role = capabilities.role
    and (
        capabilities.district_id = assignments.district_id
        or capabilities.district_id = '*'
    )
where capabilities.role is null
