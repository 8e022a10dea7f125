// SPDX-License-Identifier: MIT
//! example.sample: keep some of the events, by their ids.
//!
//! A step in Rust, without a crate.  Which events are kept depends on their ids
//! alone, so the same event has the same fate each time it comes.
//!
//!     rustc --edition 2021 -O -C panic=abort --crate-type cdylib \
//!         --crate-name example_sample \
//!         -o example.sample.so example.sample.rs

mod ingestlayer;

use ingestlayer::*;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr;

struct Sample {
    host: *const Host,
    percent: u64,
    id: *mut Field,
    dropped: *mut Counter,
}

unsafe fn api<'a>(host: *const Host) -> &'a Api {
    &*(*host).api
}

fn log(host: *const Host, text: &str) {
    unsafe { (api(host).log_text)(host, LOG_INFO, text.as_ptr() as *const c_char, text.len()) }
}

unsafe extern "C" fn open(host: *const Host, conf: *const Conf, out: *mut *mut c_void) -> c_int {
    let api = api(host);
    let mut id = ptr::null_mut();
    let err = (api.field_named)(host, FIELD_ANY, text!("id"), &mut id);
    if err != 0 {
        return err;
    }
    let percent = (api.conf_int)(conf, text!("percent"), 0) as u64;
    let dropped = (api.counter_new)(
        host,
        text!("sampled_out"),
        UNIT_NONE,
        text!("Events that were not kept."),
    );
    log(host, &format!("keeps {} of 100", percent));
    *out = Box::into_raw(Box::new(Sample { host, percent, id, dropped })) as *mut c_void;
    0
}

unsafe extern "C" fn close(this: *mut c_void) {
    let sample = Box::from_raw(this as *mut Sample);
    (api(sample.host).field_free)(sample.id);
}

/// FNV-1a; of the product, the bits that all bytes have gone into.
fn hash(bytes: &[u8]) -> u64 {
    let mut h: u64 = 0xcbf29ce484222325;
    for byte in bytes {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x100000001b3);
    }
    h >> 32
}

unsafe extern "C" fn process(this: *mut c_void, batch: *mut Batch) -> c_int {
    let sample = &*(this as *const Sample);
    let api = api(sample.host);
    let mut value = Value { kind: 0, count: 0, num: 0, str: ptr::null(), len: 0 };
    let mut dropped = 0;
    for i in 0..(api.batch_count)(batch) {
        if (api.live)(batch, i) == 0
            || (api.get)(batch, i, sample.id, &mut value) == 0
            || value.kind != STRING
        {
            continue;
        }
        // A view of the event: good until it is edited.
        let id = std::slice::from_raw_parts(value.str as *const u8, value.len);
        if hash(id) % 100 >= sample.percent {
            (api.drop)(batch, i);
            dropped += 1;
        }
    }
    (api.counter_add)(sample.dropped, dropped);
    0
}

static OPTIONS: [Option_; 2] = [
    Option_ {
        name: text!("percent"),
        kind: OPT_INT,
        flags: 0,
        min: 0,
        max: 100,
        def: text!("10"),
        choices: ptr::null(),
        help: text!("How many of a hundred events to keep."),
        children: ptr::null(),
    },
    Option_::END,
];

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static il_plugin: Plugin = Plugin {
    struct_size: std::mem::size_of::<Plugin>() as u32,
    abi_major: ABI_MAJOR,
    abi_minor: ABI_MINOR,
    option_size: std::mem::size_of::<Option_>() as u32,
    api_size: std::mem::size_of::<Api>() as u32,
    needs_minor: ABI_MINOR,
    kind: STEP,
    threads: SERIAL_INSTANCE,
    flags: 0,
    in_flight: 0,
    name: text!("example.sample"),
    version: text!("1.0"),
    summary: text!("Keep some of the events."),
    options: OPTIONS.as_ptr(),
    open: Some(open),
    start: None,
    process: Some(process),
    write: None,
    resume: None,
    settled: None,
    room: None,
    flush: None,
    stop: None,
    close: Some(close),
    ddl: None,
    probe: None,
    render: None,
    show: None,
    describe: None,
    assume: None,
    find: None,
    replay: None,
    plan: None,
    apply: None,
};
