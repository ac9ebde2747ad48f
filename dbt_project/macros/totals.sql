{#- The hooks of int_usage_totals: they run in its transaction, so that a change is counted
    once, whatever is killed. -#}

{#- Totals that count days after as_of (it was set back), or years by another beginning, are
    void: their district is counted anew. A district about to be counted has no changes
    waiting but for the days after as_of. -#}
{% macro void_stale_totals() -%}
    {%- set changes = ref("int_usage_changes") -%}
    {%- set totals = this.include(database=false) -%}
    {% if is_incremental() -%}
    delete from {{ totals }}
    where district_id in (
        select districts.district_id,
        from {{ totals }} as totals
        inner join {{ ref("int_districts") }} as districts
            on totals.district_id = districts.district_id
        where
            totals.last_used_on > districts.as_of
            or strftime(totals.school_year_starts_on, '%m-%d')
            <> districts.school_year_start
    );
    {%- endif %}
    create or replace temp table uncounted_districts as
    select district_id, as_of,
    from {{ ref("int_districts") }}
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
    drop table uncounted_districts
{%- endmacro %}

{% macro forget_counted_changes() -%}
    delete from {{ ref("int_usage_changes") }} as changes
    using {{ ref("int_districts") }} as districts
    where
        changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
{%- endmacro %}
