/* One clock for several players: they begin together, none runs ahead, a shorter one shows its
   last picture, and all stand on the same picture when it stands. `tell` is called with every
   change, and with words where there is something to say. */
(() => {
  'use strict';
  const DRIFT_SECONDS = .1;    /* beyond: a jump */
  const NUDGE_SECONDS = .02;   /* beyond: played a little faster or slower until it is settled */
  const SETTLED_SECONDS = .005;
  const NUDGE = .05;           /* of the speed, for each 40 ms begun */
  const MOST_NUDGES = 3;
  const JUMP_EVERY_MS = 500;
  const STALL_MS = 250;        /* who lacks data for longer holds all */
  const PATIENCE_MS = 5000;    /* and who does not get any for that long holds nobody */
  const FUTURE_DATA = 3;

  window.klingClock = function makeClock(tell) {
    let players = [];
    let sounding = null;
    let [time, rate] = [0, 1];
    let [isPlaying, isLooping, isHeld, isScrubbing] = [false, !window.klingResult.isCalm(), false, false];
    let heldSince = 0;
    let frame = 0;

    const lengthOf = player => Number.isFinite(player.video.duration) ? player.video.duration : 0;
    /* The middle of the last picture: at the very end some browsers show none. */
    const lastOf = player => Math.max(0, lengthOf(player) - .5 / player.fps);
    const total = () => Math.max(0, ...players.map(lengthOf));
    const end = () => Math.max(0, ...players.map(lastOf));
    const fps = () => Math.max(1, ...players.map(player => player.fps));
    /* Within a picture, so that rounding never shows the one beside it. */
    const middle = seconds => (Math.floor(seconds * fps() + .001) + .5) / fps();
    /* Of what has not loaded yet nothing is known: it is waited for. */
    const isActive = player => !lengthOf(player) || time < lastOf(player) - .001;
    const isReady = ({video}) => video.readyState >= FUTURE_DATA && !video.seeking;

    function take(videos) {
      const known = new Map(players.map(player => [player.video, player]));
      players = videos.map(video => known.get(video) ?? made(video));
      if (!players.includes(sounding)) sounding = players.find(player => player.hasSound) ?? null;
      mute();
      place();
      if (isPlaying) hold();
      tell();
    }
    function made(video) {
      const player = {video, fps: Number(video.dataset.fps), wanted: null, sent: null, jumpedAt: 0, lead: .05,
        stalledAt: 0, hasSound: video.dataset.sound !== 'none'};
      video.addEventListener('seeked', () => {
        if (isPlaying && !isHeld) player.lead = rate * Math.min(1, (performance.now() - player.jumpedAt) / 1000);
        if (player.wanted === player.sent) player.wanted = null;
        send(player);
      });
      video.addEventListener('loadedmetadata', () => {
        video.playbackRate = rate;
        want(player, time);
        tell();
      });
      return player;
    }
    /* One seek at a time, the newest wish next: a fast hand would queue hundreds. */
    function want(player, seconds) {
      player.wanted = Math.min(seconds, lastOf(player));
      if (!player.video.seeking) send(player);
    }
    function send(player) {
      if (player.wanted === null || !lengthOf(player)) return;
      player.sent = player.wanted;
      player.video.currentTime = player.wanted;
    }
    const place = () => players.forEach(player => want(player, time));
    const mute = () => players.forEach(player => { player.video.muted = player !== sounding; });
    function hold() {
      isHeld = true;
      heldSince = performance.now();
    }

    function play() {
      if (!players.length) return;
      if (time >= end() - .001) time = 0;
      isPlaying = true;
      players.forEach(player => { player.stalledAt = 0; });
      /* At once, within the press: a browser that saves data loads nothing before. */
      const active = players.filter(isActive);
      active.forEach(({video}) => start(video));
      place();
      if (!active.every(isReady)) hold();
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(tick);
      tell();
    }
    async function start(video) {
      try {
        await video.play();
      } catch (refusal) {
        if (refusal.name !== 'NotAllowedError' || !isPlaying) return;
        if (video.muted) return pause();
        /* No sound before a press: muted all may play. */
        sounding = null;
        mute();
        tell('Tap a video for its sound');
        video.play().catch(pause);
      }
    }
    function pause() {
      isPlaying = isHeld = false;
      cancelAnimationFrame(frame);
      players.forEach(({video}) => {
        video.pause();
        video.playbackRate = rate;
      });
      seek(time);
    }
    function seek(seconds) {
      time = Math.min(Math.max(0, seconds), end());
      if (isPlaying) hold(); else time = Math.min(middle(time), end());
      place();
      tell();
    }
    function step(frames) {
      if (isPlaying) pause();
      seek((Math.floor(time * fps() + .001) + frames + .5) / fps());
    }

    function tick(now) {
      if (!isPlaying) return;
      frame = requestAnimationFrame(tick);
      const active = players.filter(isActive);
      if (!active.length) return finish();
      if (isScrubbing || isWaiting(active, now)) return tell();
      const leader = active.includes(sounding) ? sounding
        : active.reduce((one, other) => lengthOf(other) > lengthOf(one) ? other : one);
      /* A key of the keyboard or the head set has paused the one that sounds: all pause. */
      if (leader.video.paused && !leader.video.ended) return pause();
      time = Math.min(leader.video.currentTime, end());
      leader.video.playbackRate = rate;
      players.forEach(player => {
        if (player === leader) return;
        if (isActive(player)) follow(player, now); else rest(player);
      });
      tell();
    }
    function isWaiting(active, now) {
      active.forEach(player => {
        player.stalledAt = isReady(player) ? 0 : player.stalledAt || now;
      });
      if (!isHeld && active.some(({stalledAt}) => stalledAt && now - stalledAt > STALL_MS)) hold();
      if (!isHeld) return false;
      if (now - heldSince > PATIENCE_MS || active.every(isReady)) {
        isHeld = false;
        active.forEach(({video}) => { if (video.paused) start(video); });
        return false;
      }
      active.filter(isReady).forEach(({video}) => video.pause());
      return true;
    }
    function follow(player, now) {
      const {video} = player;
      if (video.ended || video.seeking) return;
      if (video.paused) start(video);
      const drift = video.currentTime - time;
      const size = Math.abs(drift);
      if (size > DRIFT_SECONDS) {
        if (now - player.jumpedAt < JUMP_EVERY_MS) return;
        player.jumpedAt = now;
        /* The others go on while it seeks: it aims at where they will be then. */
        return want(player, time + player.lead);
      }
      const isOff = size > (video.playbackRate === rate ? NUDGE_SECONDS : SETTLED_SECONDS);
      const nudges = isOff ? Math.min(MOST_NUDGES, Math.ceil(size / .04)) : 0;
      const wanted = rate * (1 - Math.sign(drift) * NUDGE * nudges);
      if (video.playbackRate !== wanted) video.playbackRate = wanted;
    }
    /* A shorter one shows its last picture until the others are there too. */
    function rest(player) {
      if (!player.video.paused) player.video.pause();
      const isThere = Math.abs(player.video.currentTime - lastOf(player)) < .5 / player.fps;
      if (!isThere && player.wanted === null) want(player, lastOf(player));
    }
    function finish() {
      time = end();
      if (!isLooping) return pause();
      time = 0;
      place();
      hold();
      players.forEach(({video}) => video.pause());
    }

    return {
      take, play, pause, seek, step,
      toggle: () => isPlaying ? pause() : play(),
      stop() {
        pause();
        players = [];
        [sounding, time] = [null, 0];
      },
      scrub(seconds) {
        isScrubbing = true;
        if (isPlaying) players.forEach(({video}) => video.pause());
        seek(seconds);
      },
      endScrub() { isScrubbing = false; },
      edge: where => seek(where === 'end' ? end() : 0),
      loop: () => { isLooping = !isLooping; tell(`Loop ${isLooping ? 'on' : 'off'}`); },
      setRate(value) {
        rate = value;
        players.forEach(({video}) => { video.playbackRate = rate; });
      },
      sound(video) {
        const player = players.find(each => each.video === video);
        if (!player?.hasSound) return;
        sounding = sounding === player ? null : player;
        mute();
        tell();
      },
      state: () => ({
        time, total: total(), isPlaying, isLooping, sounding: sounding?.video,
        isWaiting: isPlaying && isHeld && performance.now() - heldSince > STALL_MS,
        hasEnded: video => players.some(
          player => player.video === video && !isActive(player) && lengthOf(player) < total() - .05),
      }),
    };
  };
})();
