-- one row per insight and user who may see it; nobody else does. This is the access
-- control of the insights: in a course its active enrolled holders of listinsights, in
-- the site's context the holders there, of an insight about a user that user, by
-- listowninsights; but none who has done with the insight
with
    insights as (select * from {{ ref("rpt_insights") }}),
    models as (
        select district_id, model_id, analyser from {{ ref("int_site_models") }}
    ),
    sites as (select * from {{ ref("int_analytics_sites") }}),
    holders as (select * from {{ ref("int_role_holders") }}),
    parents as (select * from {{ ref("int_course_parents") }}),

    users as (
        select
            district_id,
            userid as user_id,
            coalesce(deleted, 0) = 0
            and coalesce(suspended, 0) = 0
            and coalesce(confirmed, 1) = 1 as may_sign_in,
        from {{ moodle("user") }}
    ),

    capabilities as (
        select distinct sites.district_id, capabilities.role, capabilities.capability,
        from {{ ref("role_capabilities") }} as capabilities
        inner join
            sites
            on capabilities.district_id = sites.district_id
            or capabilities.district_id = '*'
    ),

    active_enrolments as (
        select distinct enrolments.district_id, enrolments.course_id, enrolments.user_id
        from {{ ref("int_active_enrolments") }} as enrolments
        inner join
            sites
            on enrolments.district_id = sites.district_id
            and enrolments.starts_at <= sites.now_at
            and coalesce(enrolments.ends_at > sites.now_at, true)
    ),

    in_courses as (
        select insights.district_id, insights.insight_id, holders.user_id,
        from insights
        inner join
            models
            on insights.district_id = models.district_id
            and insights.model_id = models.model_id
            and models.analyser = 'enrolments'
        inner join
            parents
            on insights.district_id = parents.district_id
            and insights.course_id = parents.course_id
        inner join
            holders
            on parents.district_id = holders.district_id
            and parents.context_id = holders.context_id
        inner join
            capabilities
            on holders.district_id = capabilities.district_id
            and holders.role = capabilities.role
            and capabilities.capability = 'listinsights'
        inner join
            active_enrolments
            on insights.district_id = active_enrolments.district_id
            and insights.course_id = active_enrolments.course_id
            and holders.user_id = active_enrolments.user_id
    ),

    in_site as (
        select insights.district_id, insights.insight_id, holders.user_id,
        from insights
        inner join
            models
            on insights.district_id = models.district_id
            and insights.model_id = models.model_id
            and models.analyser = 'courses'
        inner join
            holders
            on insights.district_id = holders.district_id
            and insights.context_id = holders.context_id
        inner join
            capabilities
            on holders.district_id = capabilities.district_id
            and holders.role = capabilities.role
            and capabilities.capability = 'listinsights'
    ),

    -- everybody who may sign in holds the role `user`
    site_holders as (
        select district_id, user_id, 'user' as role,
        from users
        union
        select holders.district_id, holders.user_id, holders.role,
        from holders
        inner join
            sites
            on holders.district_id = sites.district_id
            and holders.context_id = sites.system_context_id
    ),

    of_users as (
        select insights.district_id, insights.insight_id, insights.user_id,
        from insights
        inner join
            models
            on insights.district_id = models.district_id
            and insights.model_id = models.model_id
            and models.analyser = 'users'
        inner join
            site_holders
            on insights.district_id = site_holders.district_id
            and insights.user_id = site_holders.user_id
        inner join
            capabilities
            on site_holders.district_id = capabilities.district_id
            and site_holders.role = capabilities.role
            and capabilities.capability = 'listowninsights'
    ),

    recipients as (
        select *
        from in_courses
        union
        select *
        from in_site
        union
        select *
        from of_users
    )

select recipients.district_id, recipients.insight_id, recipients.user_id,
from recipients
left join
    users
    on recipients.district_id = users.district_id
    and recipients.user_id = users.user_id
where
    coalesce(users.may_sign_in, true)
    and not exists (
        select 1
        from {{ ref("int_insight_actions") }} as actions
        inner join sites on actions.district_id = sites.district_id
        where
            actions.district_id = recipients.district_id
            and actions.user_id = recipients.user_id
            and actions.insight_id = recipients.insight_id
            and {{ seconds_of("actions.acted_at") }} <= sites.now_at
    )
