-- one row per user, role and context in which it is assigned, by the site itself or by
-- role_assignments.csv; an empty context there is the whole site
with
    sites as (
        select district_id, system_context_id from {{ ref("int_analytics_sites") }}
    ),

    assigned as (
        select
            assignments.district_id,
            assignments.userid as user_id,
            coalesce(nullif(roles.archetype, ''), roles.shortname) as role,
            assignments.contextid as context_id,
        from {{ moodle("role_assignments") }} as assignments
        inner join
            {{ moodle("role") }} as roles
            on assignments.district_id = roles.district_id
            and assignments.roleid = roles.id
        where assignments.userid is not null
    ),

    configured as (
        select
            sites.district_id,
            assignments.user_id,
            assignments.role,
            coalesce(
                cast(nullif(assignments.context_id, '') as bigint),
                sites.system_context_id
            ) as context_id,
        from {{ ref("role_assignments") }} as assignments
        inner join sites on assignments.district_id = sites.district_id
    )

select district_id, user_id, role, context_id,
from assigned
union
select district_id, user_id, role, context_id,
from configured
