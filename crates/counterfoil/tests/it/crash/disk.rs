//! A disk without room, as a small file system in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::crash::assert_kept;
use crate::support::world::ask;
use crate::support::{Response, World, eventually, tools};

/// A mounted file system that goes with its owner.
struct Small(PathBuf);

impl Small {
    fn mount(path: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir(path).expect("a directory");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    let block = vec![b'x'; 64 << 10];
    while file.write_all(&block).is_ok() {}
}

#[test]
fn given_a_full_disk_when_called_then_503_says_why_and_service_resumes_with_nothing_lost() {
    let test = "a full disk";
    if !tools::is_root() {
        return eprintln!("skipped: {test}: only root can mount a small file system");
    }
    let mut world = World::empty(&[]);
    let mount = world.path("small");
    let Some(_small) = Small::mount(&mount, 400) else {
        return eprintln!("skipped: {test}: a tmpfs could not be mounted here");
    };
    world.data = mount.join("data");
    world.begin();

    let mut big = ask("chat");
    // Text that does not compress, so that the log really fills.
    let mut x: u64 = 20;
    let mut letter = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((x >> 40) % 26).expect("a letter"))
    };
    big["messages"][0]["content"] = (0..1 << 20).map(|_| letter()).collect::<String>().into();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut call = |world: &World| -> Response {
        let answer = world.post("/v1/chat/completions", &big);
        if answer.status == 200 {
            acknowledged.push(answer.header("x-counterfoil-inference").expect("an identifier").to_owned());
        }
        answer
    };
    assert_eq!(call(&world).status, 200);
    fill(&mount.join("filler"));
    // What was reserved before is used up first.
    let refused = (0..400).map(|_| call(&world)).find(|answer| answer.status != 200).expect("a refusal");
    assert_eq!(refused.status, 503, "{}", refused.text());
    let error: Value = refused.json()["error"].clone();
    assert_eq!(error["code"], "recording_unavailable");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("full")), "{error}");
    assert_eq!(refused.header("retry-after"), Some("10"));
    let get = |world: &World, path: &str| crate::support::http::get(&format!("{}{path}", world.url));
    assert_eq!(get(&world, "/healthz").status, 200, "it lives");
    let calls = world.upstream.seen().len();
    for _ in 0..3 {
        assert_eq!(call(&world).status, 503);
        let ready = get(&world, "/readyz");
        assert_eq!((ready.status, ready.text().contains("the disk is full")), (503, true), "{}", ready.text());
    }

    assert_eq!(world.upstream.seen().len(), calls, "no provider is called while nothing can be recorded");

    std::fs::remove_file(mount.join("filler")).expect("removed");
    // Nobody calls meanwhile, as behind a load balancer that goes by this answer.
    eventually("it is ready again", || (get(&world, "/readyz").status == 200).then_some(()));
    eventually("service resumes", || (call(&world).status == 200).then_some(()));
    assert_kept(&world, &acknowledged);
    world.server().kill();
    world.start();
    assert_kept(&world, &acknowledged);
    world.stop();
}
