//! `cargo xtask demo`: the driving-data pipeline on embedded defaults.
//!
//! A deterministic generator writes heartbeats (1 Hz) and poses (5 Hz) of a
//! fleet for an hour of yesterday, with late and duplicate events; the scripts
//! in `demo/` bring them into Paimon tables and print the daily figures.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::tools;

/// `demo [CARS [SECONDS]]`
pub fn run(args: &[String]) -> Result<()> {
    let number = |i: usize, default: u64| args.get(i).map_or(Ok(default), |a| a.parse());
    let (cars, seconds) = (number(0, 12)?, number(1, 600)?);
    tools::native_build_tools()?;
    tools::build()?;
    let home = tools::cache().join("demo");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let (data, warehouse) = (home.join("data"), home.join("warehouse"));
    let events = generate(&data, cars, seconds)?;
    println!("{events} events of {cars} cars over {seconds} s in {}", data.display());
    for script in ["1_streaming.sql", "2_batch.sql"] {
        println!("\n== weir run demo/{script}");
        let path = render(script, &home, &data, &warehouse)?;
        tools::run(Command::new(tools::weir()).arg("run").arg(path).args(["-p", "2"]))?;
    }
    println!("\nThe tables are in {}; look around with:", warehouse.display());
    println!("  {} sql", tools::weir().display());
    println!(
        "  CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{}');",
        warehouse.display()
    );
    Ok(())
}

fn render(script: &str, home: &Path, data: &Path, warehouse: &Path) -> Result<std::path::PathBuf> {
    let text = fs::read_to_string(tools::root().join("demo").join(script))?;
    let text = text
        .replace("${DATA}", &data.to_string_lossy())
        .replace("${WAREHOUSE}", &warehouse.to_string_lossy());
    let path = home.join(script);
    fs::write(&path, text)?;
    Ok(path)
}

/// A small linear congruential generator: the same events in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Midnight of yesterday plus eight hours, in seconds since 1970 (UTC).
fn start_second() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok((now.as_secs() / 86_400 - 1) * 86_400 + 8 * 3600)
}

/// Writes the events; returns how many.
pub fn generate(dir: &Path, cars: u64, seconds: u64) -> Result<u64> {
    let start = start_second()?;
    let mut heartbeat = lines(dir, "heartbeat")?;
    let mut pose = lines(dir, "pose")?;
    let mut random = Random(42);
    let mut events = 0;
    for second in 0..seconds {
        for car in 0..cars {
            let roll = random.next(1000);
            // 2 % arrive three seconds late, 1 % twice.
            let at = if roll < 20 { second.saturating_sub(3) } else { second };
            let copies = if (20..30).contains(&roll) { 2 } else { 1 };
            for _ in 0..copies {
                writeln!(heartbeat, "{}", heartbeat_event(car, start + at))?;
                events += 1;
            }
            for tick in 0..5 {
                let ms = (start + second) * 1000 + tick * 200;
                writeln!(pose, "{}", pose_event(car, ms, &mut random))?;
                events += 1;
            }
        }
    }
    heartbeat.flush()?;
    pose.flush()?;
    Ok(events)
}

fn lines(dir: &Path, name: &str) -> Result<BufWriter<File>> {
    let dir = dir.join(name);
    fs::create_dir_all(&dir)?;
    Ok(BufWriter::new(File::create(dir.join("part-0.json"))?))
}

const PLACES: [(&str, &str, &str); 3] =
    [("上海", "浦东", "R-01"), ("上海", "嘉定", "R-02"), ("北京", "亦庄", "R-03")];

/// A heartbeat as the cars send it; a pure function of car and second.
pub fn heartbeat_event(car: u64, second: u64) -> String {
    let (city, area, route) = PLACES[car as usize % PLACES.len()];
    let mode = if (second + car * 7) % 10 < 8 { "Auto" } else { "Manual" };
    let speed = 20 + (second * 7 + car * 13) % 40;
    format!(
        r#"{{"car_id":"car-{car:04}","ts_second":{second},"driving_mode":"{mode}","speed":{speed}.5,"road_type":"urban","task_id":"task-{:05}","task_status":"running","city":"{city}","area":"{area}","route_id":"{route}"}}"#,
        second / 600
    )
}

fn pose_event(car: u64, ms: u64, random: &mut Random) -> String {
    let roll = random.next(10_000);
    let acceleration = match roll {
        0..=3 => -0.9,
        4..=19 => -0.6,
        _ => (roll % 90) as f64 / 100.0 - 0.4,
    };
    format!(
        r#"{{"car_id":"car-{car:04}","timestamp_ms":{ms},"latitude":31.{:06},"longitude":121.{:06},"speed":{}.25,"acceleration_longitudinal":{acceleration},"acceleration_lateral":0.01,"heading":{},"angular_velocity":0.002,"steering_angle":1.5,"throttle":0.3,"brake":0.0}}"#,
        roll * 37 % 1_000_000,
        roll * 91 % 1_000_000,
        20 + roll % 40,
        roll % 360
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_a_function_of_car_and_second() {
        assert_eq!(heartbeat_event(3, 1_700_000_000), heartbeat_event(3, 1_700_000_000));
        assert_ne!(heartbeat_event(3, 1_700_000_000), heartbeat_event(4, 1_700_000_000));
    }
}
