{#- The hooks of int_usage_totals: they run in its transaction, so that a change is counted
    once, whatever is killed. -#}

{#- Totals that count days after as_of (it was set back), or years by another beginning, are
    void: their district is counted anew. A district about to be counted has no changes
    waiting but for the days after as_of. -#}
{% macro prepare_totals() -%}
    {%- set changes = ref("int_usage_changes") -%}
    {%- set districts = ref("int_districts") -%}
    {%- set totals = this.include(database=false) -%}
    {% if is_incremental() -%}
    delete from {{ totals }}
    where district_id in (
        select districts.district_id,
        from {{ totals }} as totals
        inner join {{ districts }} as districts
            on totals.district_id = districts.district_id
        where
            totals.last_used_on > districts.as_of
            or month(totals.school_year_starts_on) <> districts.school_year_month
            or day(totals.school_year_starts_on) <> districts.school_year_day
    );
    {%- endif %}
    create or replace temp table uncounted_districts as
    select district_id, as_of,
    from {{ districts }}
    {%- if is_incremental() %}
    where district_id not in (select district_id from {{ totals }})
    {%- endif %};
    delete from {{ changes }}
    where district_id in (select district_id from uncounted_districts);
    insert into {{ changes }} (
        district_id, student_id, app_id, usage_date, usage_minutes, session_count, is_deleted
    )
    select
        versions.district_id, student_id, app_id, usage_date, usage_minutes, session_count,
        is_deleted,
    from {{ ref("int_usage_versions") }} as versions
    inner join uncounted_districts as districts
        on versions.district_id = districts.district_id
    where versions.usage_date > districts.as_of and not versions.is_deleted;
    {% if is_incremental() -%}
    -- totals whose first or last day of use is none any more: their days are looked at
    -- again. So are those for which a day was used and withdrawn while it waited for as_of
    -- or for a build that was not killed. A table, for its size is what keeps the fact on
    -- the probing side of the join
    create or replace temp table open_totals as
    select distinct
        changes.district_id,
        changes.student_id,
        changes.app_id,
        {{ school_year_start(
            "changes.usage_date",
            "districts.school_year_month",
            "districts.school_year_day",
        ) }} as school_year_starts_on,
    from {{ changes }} as changes
    inner join {{ districts }} as districts
        on changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
    left join {{ totals }} as totals
        on changes.district_id = totals.district_id
        and changes.student_id = totals.student_id
        and changes.app_id = totals.app_id
        and changes.usage_date in (totals.first_used_on, totals.last_used_on)
    left join {{ changes }} as uses
        on changes.district_id = uses.district_id
        and changes.student_id = uses.student_id
        and changes.app_id = uses.app_id
        and changes.usage_date = uses.usage_date
        and not uses.is_deleted
        and (uses.usage_minutes > 0 or uses.session_count > 0)
    where
        (changes.is_deleted or (changes.usage_minutes = 0 and changes.session_count = 0))
        and (totals.district_id is not null or uses.district_id is not null);
    {%- endif %}
    drop table uncounted_districts
{%- endmacro %}

{% macro forget_counted_changes() -%}
    delete from {{ ref("int_usage_changes") }} as changes
    using {{ ref("int_districts") }} as districts
    where
        changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
{%- endmacro %}
