//! Budgets that run out: which one, until when, and what a request that came back gives back.

use tokio::time::advance;

use super::*;

const MODEL: &str = "openai/gpt-oss-120b";

fn allowance(limits: LlmLimits) -> Allowance {
    Allowance::new(MODEL, limits, Metrics::new())
}

fn lacks(it: &Allowance, prompt: u32) -> Option<SpendingLimit> {
    it.take(prompt, 2_000).err().map(|it| it.budget)
}

/// Seconds until there is room again.
fn wait(it: &Allowance, prompt: u32) -> i64 {
    let until = it.take(prompt, 2_000).err().expect("no room").until;
    until.duration_since(Timestamp::now()).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_minutes_tokens_come_back_bit_by_bit() {
    let it = allowance(LlmLimits::default());
    assert_eq!(lacks(&it, 4_000), None);
    assert_eq!(lacks(&it, 1_000), Some(SpendingLimit::MinuteTokens));
    // 6,000 of 8,000 are gone: 3,000 are there again when 1,000 have come back, an eighth of a minute.
    let seconds = wait(&it, 1_000);
    assert!((6..=8).contains(&seconds), "{seconds}");
    for _ in 0..100 {
        assert_eq!(lacks(&it, 1_000), Some(SpendingLimit::MinuteTokens), "asking in vain costs no request");
    }
    advance(Duration::from_secs(8)).await;
    assert_eq!(lacks(&it, 1_000), None);
    assert_eq!(it.spent().0.requests, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_needed_can_be_taken_again() {
    let it = allowance(LlmLimits::default());
    let Ok(taken) = it.take(5_000, 2_000) else { panic!("there is room") };
    assert_eq!(lacks(&it, 2_500), Some(SpendingLimit::MinuteTokens));
    it.settle(&taken, Some(Usage { prompt: 3_000, completion: 400, cached: 0 }));
    assert_eq!(lacks(&it, 2_600), None, "8,000 less 3,400 are 4,600");
    assert_eq!(lacks(&it, 1), Some(SpendingLimit::MinuteTokens));
    advance(MINUTE * 3).await;
    assert_eq!(lacks(&it, 6_000), None);
    assert_eq!(lacks(&it, 1), Some(SpendingLimit::MinuteTokens), "it is worth nothing beside a full minute");
}

#[tokio::test(start_paused = true)]
async fn a_minutes_requests_run_out_too() {
    let it =
        allowance(LlmLimits { requests_per_minute: 2, tokens_per_minute: 1_000_000, ..LlmLimits::default() });
    assert_eq!(
        [lacks(&it, 1), lacks(&it, 1), lacks(&it, 1)],
        [None, None, Some(SpendingLimit::MinuteRequests)]
    );
    advance(Duration::from_secs(31)).await;
    assert_eq!(lacks(&it, 1), None);
}

#[tokio::test(start_paused = true)]
async fn a_days_budgets_end_at_midnight() {
    let wide =
        LlmLimits { tokens_per_minute: 100_000_000, requests_per_minute: 100_000, ..LlmLimits::default() };
    for (limits, budget) in [
        (LlmLimits { requests_per_day: 2, ..wide.clone() }, SpendingLimit::DayRequests),
        (LlmLimits { tokens_per_day: 12_000, ..wide.clone() }, SpendingLimit::DayTokens),
        // 3,000 in and 2,000 out are 450,000 + 1,200,000 billionths of a dollar.
        (LlmLimits { nano_usd_per_day: 3_300_000, ..wide.clone() }, SpendingLimit::DayMoney),
    ] {
        let it = allowance(limits);
        assert_eq!([lacks(&it, 3_000), lacks(&it, 3_000)], [None, None], "{budget:?}");
        let Err(exhausted) = it.take(3_000, 2_000) else { panic!("{budget:?}") };
        assert_eq!(exhausted.budget, budget);
        let until = exhausted.until.to_zoned(TimeZone::UTC);
        assert_eq!((until.hour(), until.minute(), until.second()), (0, 0, 0));
        assert!(exhausted.until > Timestamp::now());
    }
    assert_eq!(next_day("2026-12-31T23:59:59.9Z".parse().unwrap()), "2027-01-01T00:00:00Z".parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_a_request_really_cost_replaces_what_was_taken() {
    let metrics = Metrics::new();
    let it = Allowance::new(MODEL, LlmLimits::default(), Arc::clone(&metrics));
    let Ok(taken) = it.take(5_000, 2_000) else { panic!("there is room") };
    assert_eq!((it.spent().0.tokens, it.spent().1), (7_000, Some(750_000 + 1_200_000)));
    it.settle(&taken, Some(Usage { prompt: 3_000, completion: 500, cached: 1_000 }));
    assert_eq!((it.spent().0.tokens, it.spent().1), (3_500, Some(450_000 + 300_000)));
    it.settle(&taken, None);
    assert_eq!(it.spent().0.tokens, 3_500, "what is not known stays as it was");
    let text = metrics.render();
    for line in [
        "ai_debugger_model_tokens_total{kind=\"prompt\"} 3000",
        "ai_debugger_model_tokens_total{kind=\"cached\"} 1000",
        "ai_debugger_model_cost_usd_total 0.00075",
        "ai_debugger_model_budget_left{budget=\"tokens_per_day\"} 196500",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let unknown =
        Allowance::new("llama", LlmLimits { nano_usd_per_day: 0, ..LlmLimits::default() }, Metrics::new());
    assert!(unknown.take(1, 1).is_ok(), "no price, no limit of money");
    assert_eq!(unknown.spent().1, None, "and not 0");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_says_is_left_goes_before_the_own_count() {
    let it = allowance(LlmLimits::default());
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-remaining-tokens", "100".parse().unwrap());
    headers.insert("x-ratelimit-reset-tokens", "59.5s".parse().unwrap());
    it.hear(&headers);
    assert_eq!(lacks(&it, 1), Some(SpendingLimit::Service));
    advance(Duration::from_secs(60)).await;
    assert_eq!(lacks(&it, 1), None);
    it.wait(Duration::from_secs(7));
    assert_eq!((lacks(&it, 1), wait(&it, 1)), (Some(SpendingLimit::Service), 6));
}
